import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How openssl makes a key: words of `req -newkey`. */
export const opensslKeys = {
  p256: 'ec -pkeyopt ec_paramgen_curve:prime256v1',
  p384: 'ec -pkeyopt ec_paramgen_curve:secp384r1',
  rsa: 'rsa:2048',
  ed25519: 'ed25519',
} as const;

/** What a revocation list says. */
export interface ListWords {
  /** Seconds from now. Default: a minute ago, and in an hour. */
  readonly from?: number;
  readonly until?: number;
  readonly digest?: string;
  /** Extensions as lines of openssl's configuration; further sections may follow. */
  readonly extensions?: readonly string[];
}

/** A certificate authority with revocation lists, by the real openssl. */
export class OpensslAuthority {
  readonly #folder = mkdtempSync(join(tmpdir(), 'authority-'));
  #count = 0;

  /**
   * @param extensions lines such as `crlDistributionPoints=URI:http://…`
   * @param parent the authority that signs this one; its key is on P-256 then
   */
  constructor(
    name: string,
    extensions: readonly string[] = [],
    key: keyof typeof opensslKeys = 'p256',
    parent?: OpensslAuthority,
  ) {
    writeFileSync(join(this.#folder, 'index.txt'), '');
    writeFileSync(join(this.#folder, 'empty.cnf'), '[req]\ndistinguished_name=dn\n[dn]\n');
    const all = ['basicConstraints=critical,CA:TRUE', ...extensions];
    if (parent !== undefined) {
      const own = parent.issue(name, all);
      writeFileSync(join(this.#folder, 'ca.crt'), own.cert);
      writeFileSync(join(this.#folder, 'ca.key'), own.key);
      return;
    }
    const added = all.flatMap((line) => ['-addext', line]);
    const request = `req -config empty.cnf -x509 -newkey ${opensslKeys[key]} -nodes -days 2 -keyout ca.key -out ca.crt`;
    this.#run(request, '-subj', `/CN=${name}`, ...added);
  }

  get certificate(): string {
    return readFileSync(join(this.#folder, 'ca.crt'), 'utf8');
  }

  /** Issues the certificate of a client, or of an authority with these extensions. */
  issue(name: string, extensions: readonly string[] = []): { readonly cert: string; readonly key: string } {
    writeFileSync(join(this.#folder, 'ext.cnf'), extensions.join('\n'));
    const request = `req -config empty.cnf -newkey ${opensslKeys.p256} -nodes -keyout ${name}.key -out request.csr`;
    this.#run(request, '-subj', `/CN=${name}`);
    const sign = 'x509 -req -in request.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext.cnf';
    this.#run(sign, '-out', `${name}.crt`);
    const read = (file: string): string => readFileSync(join(this.#folder, file), 'utf8');
    return { cert: read(`${name}.crt`), key: read(`${name}.key`) };
  }

  revoke(name: string): void {
    this.#configure({});
    this.#run('ca -config ca.cnf -keyfile ca.key -cert ca.crt -revoke', `${name}.crt`);
  }

  /** Revokes certificates that do not exist. */
  revokeMany(count: number): void {
    const lines = Array.from({ length: count }, (_, index) => {
      const serial = (index + 0x10_00_00).toString(16).toUpperCase();
      return `R\t300101000000Z\t260101000000Z\t${serial}\tunknown\t/CN=${serial}\n`;
    });
    appendFileSync(join(this.#folder, 'index.txt'), lines.join(''));
  }

  /** Signs a revocation list, PEM. */
  list(words: ListWords = {}): string {
    const { from = -60, until = 3600 } = words;
    this.#configure(words);
    const time = (seconds: number): string =>
      new Date(Date.now() + seconds * 1000)
        .toISOString()
        .replace(/\.\d+Z$/, 'Z')
        .replaceAll(/[-:T]/g, '');
    const file = `list-${++this.#count}`;
    const limits = `-crl_lastupdate ${time(from)} -crl_nextupdate ${time(until)}`;
    this.#run(`ca -config ca.cnf -gencrl -keyfile ca.key -cert ca.crt ${limits} -out ${file}`);
    return readFileSync(join(this.#folder, file), 'utf8');
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }

  #configure({ digest = 'default', extensions = [] }: ListWords): void {
    const file = join(this.#folder, 'ca.cnf');
    const crl = extensions.length === 0 ? '' : 'crl_extensions=e\n';
    writeFileSync(file, `[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ndefault_md=${digest}\n${crl}`);
    if (extensions.length > 0) appendFileSync(file, `[e]\n${extensions.join('\n')}\n`);
  }

  /** @param words arguments without spaces */
  #run(words: string, ...more: readonly string[]): void {
    execFileSync('/usr/bin/openssl', [...words.split(' '), ...more], {
      cwd: this.#folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  }
}

/** Returns the DER of a PEM block. */
export function derOf(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
}
