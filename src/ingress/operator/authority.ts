import type { KubeApi } from '../../base/kubernetes/cluster-api.ts';
import { clusterNames } from '../../base/kubernetes/names.ts';
import { isStatus } from '../../base/kubernetes/status-patch.ts';
import { isRecord } from '../../base/read/shape.ts';
import { createAuthority, encode, isAuthority, isDurable, type KeyPair, readKeyPair } from './certificates.ts';
import { authorityNames, places } from './names.ts';
import type { OperatorStores } from './stores.ts';

/** The authority's Secret is invalid, and the operator must not replace it. */
export class AuthorityError extends Error {}

/**
 * The certificate authority of the default certificates, in a Secret. An administrator may put another one there. Its
 * certificate is published in two ConfigMaps: for clients of the domains, and as authority of re-encrypt servers, which
 * an administrator may replace.
 */
export class Authority {
  readonly #api: KubeApi;
  readonly #stores: OperatorStores;
  readonly #signal: AbortSignal;
  #published = '';
  #running: Promise<KeyPair> | undefined;

  constructor(api: KubeApi, stores: OperatorStores, signal: AbortSignal) {
    this.#api = api;
    this.#stores = stores;
    this.#signal = signal;
  }

  /** Returns the authority, and creates it if there is none. Rejects with an AuthorityError or a KubeError. */
  get(): Promise<KeyPair> {
    // Several routers may ask at once.
    this.#running ??= this.#ensure().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #ensure(): Promise<KeyPair> {
    const pair = this.#read() ?? (await this.#create());
    await this.#publish(pair);
    return pair;
  }

  #read(): KeyPair | undefined {
    const secret = this.#stores.of('authority').get(places.objects, authorityNames.secret);
    if (!isRecord(secret)) return undefined;
    const pair = readKeyPair(isRecord(secret.data) ? secret.data : {});
    if (pair === undefined || !isAuthority(pair)) {
      throw new AuthorityError(
        `Secret ${places.objects}/${authorityNames.secret} has no certificate of an authority with its key in tls.crt and tls.key; replace or delete it`,
      );
    }
    return isDurable(pair) || !isOurs(secret) ? pair : undefined;
  }

  async #create(): Promise<KeyPair> {
    const store = this.#stores.of('authority');
    const pair = await createAuthority();
    const learn = store.expect(places.objects, authorityNames.secret);
    const path = `/api/v1/namespaces/${places.objects}/secrets/${authorityNames.secret}`;
    const metadata = { namespace: places.objects, name: authorityNames.secret, labels };
    const data = { 'tls.crt': encode(pair.certificate), 'tls.key': encode(pair.key) };
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata, type: 'kubernetes.io/tls', data };
    learn(await this.#api.apply(path, secret, clusterNames.controller, this.#signal));
    return pair;
  }

  async #publish({ certificate }: KeyPair): Promise<void> {
    const { services, published } = authorityNames;
    if (this.#stores.of('configMaps').get(places.routers, services) === undefined) {
      const body = makeConfigMap(places.routers, services, { 'service-ca.crt': certificate });
      try {
        await this.#api.create(`/api/v1/namespaces/${places.routers}/configmaps`, body, this.#signal);
      } catch (error) {
        if (!isStatus(error, 409)) throw error;
      }
    }
    if (this.#published === certificate) return;
    const body = makeConfigMap(places.published, published, { 'ca-bundle.crt': certificate });
    const path = `/api/v1/namespaces/${places.published}/configmaps/${published}`;
    await this.#api.apply(path, body, clusterNames.controller, this.#signal);
    this.#published = certificate;
  }
}

const labels = { 'app.kubernetes.io/managed-by': clusterNames.controller };

function isOurs({ metadata }: Readonly<Record<string, unknown>>): boolean {
  const written = isRecord(metadata) && isRecord(metadata.labels) ? metadata.labels : {};
  return written['app.kubernetes.io/managed-by'] === clusterNames.controller;
}

function makeConfigMap(namespace: string, name: string, data: Readonly<Record<string, string>>): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name, labels }, data };
}
