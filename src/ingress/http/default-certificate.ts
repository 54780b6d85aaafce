import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatProblem } from '../../base/model/problem.ts';
import { checkKeyPair, usualKeys } from './certificate.ts';

/** Sources of the default certificate; the first one given is used (OpenShift's DEFAULT_CERTIFICATE*). */
export interface DefaultCertificateSources {
  /** Certificate and key in PEM. */
  readonly text?: string;
  /** A file with both. */
  readonly path?: string;
  /** A folder with `tls.crt`, and `tls.key` unless `tls.crt` contains the key. */
  readonly directory?: string;
}

/** Maximum RSA bits that OpenSSL supports. */
const largestRsa = 16_384;

/** Interval between checks of the files, in milliseconds. */
const pollInterval = 5000;

/**
 * The certificate for hosts without one of their own. Files are checked periodically. If they become invalid, the
 * last valid certificate stays in use; without any, a self-signed one is created at start.
 */
export class DefaultCertificate {
  readonly #sources: DefaultCertificateSources;
  #timer: NodeJS.Timeout | undefined;
  #report: (problem: string | undefined) => void = () => undefined;
  #written = '';
  /** Problem of the last read. */
  #fault: string | undefined;
  #pem: string | undefined;
  #made: Promise<string> | undefined;

  constructor(sources: DefaultCertificateSources) {
    this.#sources = sources;
  }

  /**
   * Starts watching for changes.
   *
   * @param onChange called when {@link get} returns another value
   */
  start(onChange: () => void, report: (problem: string | undefined) => void): void {
    this.#report = report;
    this.#read();
    this.#timer = setInterval(() => {
      if (this.#read()) onChange();
    }, pollInterval);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Returns key and certificate in PEM. */
  async get(): Promise<string> {
    if (this.#pem === undefined) this.#read();
    this.#made ??= this.#pem === undefined ? makeSelfSigned() : undefined;
    return this.#pem ?? (await (this.#made as Promise<string>));
  }

  /** Returns whether the certificate has changed. */
  #read(): boolean {
    const written = this.#readSource();
    if (written === undefined) return false;
    if (written === this.#written) {
      // The file may have become readable again without a change.
      this.#report(this.#fault);
      return false;
    }
    this.#written = written;
    const paths = { certificate: 'certificate', key: 'key', caCertificate: 'CA' };
    // The administrator chooses its size; the limit applies to Routes only.
    const limits = { ...usualKeys, rsaBits: largestRsa };
    const read = checkKeyPair({ certificate: written, paths, limits });
    if (!read.ok) {
      const kept = this.#pem === undefined ? 'using a self-signed one' : 'keeping the last valid one';
      this.#fault = `Cannot use the default certificate, ${kept}: ${read.problems.map(formatProblem).join('; ')}`;
      this.#report(this.#fault);
      return false;
    }
    this.#fault = undefined;
    this.#report(undefined);
    const isOther = this.#pem !== read.value.pem;
    this.#pem = read.value.pem;
    return isOther;
  }

  #readSource(): string | undefined {
    const { text, path, directory } = this.#sources;
    try {
      if (text !== undefined) return text;
      if (path !== undefined) return readFileSync(path, 'utf8');
      if (directory === undefined) return undefined;
      const certificate = readFileSync(join(directory, 'tls.crt'), 'utf8');
      if (certificate.includes('PRIVATE KEY-----')) return certificate;
      return `${certificate}\n${readFileSync(join(directory, 'tls.key'), 'utf8')}`;
    } catch (error) {
      this.#report(`Cannot read the default certificate: ${(error as Error).message}`);
      return undefined;
    }
  }
}

/** Creates a self-signed certificate, which clients do not trust. */
async function makeSelfSigned(): Promise<string> {
  // Loaded on demand, because few routers have no certificate.
  const { generate } = await import('selfsigned');
  const now = Date.now();
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'ingress-agent default certificate' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(now - 86_400_000),
    notAfterDate: new Date(now + 10 * 365 * 86_400_000),
  });
  return `${key.trim()}\n${cert.trim()}\n`;
}
