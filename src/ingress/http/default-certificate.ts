import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatProblem } from '../../base/model/problem.ts';
import { checkKeyPair, usualKeys } from './certificate.ts';

/** Where the default certificate is; the first that is given counts (OpenShift's DEFAULT_CERTIFICATE*). */
export interface DefaultCertificateSources {
  /** Certificate and key themselves, PEM. */
  readonly text?: string;
  /** A file with both. */
  readonly path?: string;
  /** A folder with `tls.crt`, and `tls.key` where the key is not in the first. */
  readonly directory?: string;
}

/** Bits; OpenSSL works with none larger. */
const largestRsa = 16_384;

/** Milliseconds between two checks of the files. */
const pollInterval = 5000;

/**
 * The certificate for clients whose host has none of its own. Files are looked at again and again: one
 * that cannot be read leaves the last good one in use, and without any there is one made at start, which
 * nobody trusts.
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

  /** Looks for changes from now on. @param onChange called when {@link get} answers something else */
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

  /** Key and certificate, PEM. */
  async get(): Promise<string> {
    if (this.#pem === undefined) this.#read();
    this.#made ??= this.#pem === undefined ? makeSelfSigned() : undefined;
    return this.#pem ?? (await (this.#made as Promise<string>));
  }

  /** Whether there is another certificate than before. */
  #read(): boolean {
    const written = this.#readSource();
    if (written === undefined) return false;
    if (written === this.#written) {
      // It may be there again after it could not be read.
      this.#report(this.#fault);
      return false;
    }
    this.#written = written;
    const paths = { certificate: 'certificate', key: 'key', caCertificate: 'CA' };
    // Its size is the administrator's choice: only Routes are held to a limit.
    const limits = { ...usualKeys, rsaBits: largestRsa };
    const read = checkKeyPair({ certificate: written, paths, limits });
    if (!read.ok) {
      const kept = this.#pem === undefined ? 'using one made at start' : 'the last good one stays in use';
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

/** A self-signed certificate, which encrypts but is not trusted. */
async function makeSelfSigned(): Promise<string> {
  // Loaded when it is needed: few routers are without a certificate.
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
