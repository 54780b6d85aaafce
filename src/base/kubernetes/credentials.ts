import { readFile } from 'node:fs/promises';
import { type ClusterAccess, describeMaterial, type Material } from './access.ts';
import { type ExecCredential, runExecPlugin } from './exec-plugin.ts';

/** The current credentials for a connection and a request. */
export interface Credentials {
  /** PEM. */
  readonly authority: string | undefined;
  readonly certificate: string | undefined;
  readonly key: string | undefined;
  /** `Authorization` and `Impersonate-*`. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
}

/** Milliseconds for which a file is not read again. A kubelet rotates tokens long before they expire. */
const fileAge = 10_000;

/** Milliseconds before expiry at which the plugin runs again. */
const renewal = 10_000;

/**
 * Certificates, keys and tokens of a cluster. Files are read again after a while, and plugins run again when their
 * credential expires. One object serves all requests.
 */
export class CredentialStore {
  readonly #access: ClusterAccess;
  readonly #files = new Map<string, { readonly content: Promise<string>; readonly at: number }>();
  #exec: { readonly credential: Promise<ExecCredential>; until: number } | undefined;

  constructor(access: ClusterAccess) {
    this.#access = access;
  }

  /** Returns the current credentials. Rejects with an Error that names the file or program that failed. */
  async read(): Promise<Credentials> {
    const { authority, identity } = this.#access;
    const pem = await this.#load(authority);
    const exec = identity.exec === undefined ? undefined : await this.#runPlugin(pem);
    const token = exec?.token ?? (await this.#load(identity.token))?.trim();
    return {
      authority: pem,
      certificate: exec?.certificate ?? (await this.#load(identity.certificate?.certificate)),
      key: exec?.key ?? (await this.#load(identity.certificate?.key)),
      headers: {
        ...identity.impersonation,
        ...(token ? { Authorization: `Bearer ${token}` } : writeBasic(identity.basic)),
      },
    };
  }

  /** Discards all cached credentials after the server rejected them. */
  forget(): void {
    this.#files.clear();
    this.#exec = undefined;
  }

  /** Describes the source of our identity, for messages. */
  describe(): string {
    const { identity, origin } = this.#access;
    if (identity.exec !== undefined) return `the credential of ${identity.exec.command}`;
    if (identity.token !== undefined) return `the token in ${describeMaterial(identity.token)}`;
    if (identity.basic !== undefined) return `username and password of ${origin}`;
    if (identity.certificate !== undefined)
      return `the client certificate in ${describeMaterial(identity.certificate.certificate)}`;
    return `${origin}, which has no credentials`;
  }

  #load(material: Material | undefined): Promise<string | undefined> {
    if (material === undefined) return Promise.resolve(undefined);
    if (material.kind === 'data') return Promise.resolve(material.text);
    const known = this.#files.get(material.path);
    if (known !== undefined && performance.now() - known.at < fileAge) return known.content;
    const content = readFile(material.path, 'utf8').catch((cause: Error) => {
      this.#files.delete(material.path);
      throw new Error(`Cannot read ${material.path}: ${cause.message}`, { cause });
    });
    this.#files.set(material.path, { content, at: performance.now() });
    return content;
  }

  #runPlugin(authority: string | undefined): Promise<ExecCredential> {
    const { exec } = this.#access.identity;
    if (exec === undefined) return Promise.reject(new Error('there is no credential plugin'));
    if (this.#exec !== undefined && performance.now() < this.#exec.until - renewal) return this.#exec.credential;
    // Concurrent requests share one run.
    const credential = runExecPlugin(exec, this.#access, authority);
    const entry = { credential, until: Number.POSITIVE_INFINITY };
    this.#exec = entry;
    credential.then(
      ({ until }) => {
        // The plugin reports wall-clock time, and the clock may be set in the meantime.
        entry.until = until === undefined ? Number.POSITIVE_INFINITY : performance.now() + (until - Date.now());
      },
      () => {
        if (this.#exec === entry) this.#exec = undefined;
      },
    );
    return credential;
  }
}

function writeBasic(basic: { readonly username: string; readonly password: string } | undefined) {
  if (basic === undefined) return {};
  return { Authorization: `Basic ${Buffer.from(`${basic.username}:${basic.password}`).toString('base64')}` };
}
