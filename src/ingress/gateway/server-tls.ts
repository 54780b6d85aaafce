import { hash } from 'node:crypto';
import { configMapKey, type ReferenceChecks } from '../intent/references.ts';
import type { NamedPem, ServiceShare, ShareTls } from '../intent/service-share.ts';
import type { ChangedObjects } from '../intent/site-source.ts';
import type { Service } from '../objects/service.ts';
import { BackendTlsPolicies, listPolicyConfigMaps, targetPortOf } from './backend-tls.ts';
import type { BackendTlsPolicy } from './backend-tls-policy.ts';
import { type ClientCertificate, checkClientCertificate } from './client-certificate.ts';
import type { Gateway } from './gateway.ts';
import type { ReferenceGrant } from './reference-grant.ts';

/** Objects that decide about TLS to backends. */
export interface ServerTlsObjects {
  all(kind: 'BackendTLSPolicy'): Iterable<BackendTlsPolicy>;
  get(kind: 'Service', key: string): Service | undefined;
}

/** Decides about TLS between the router and the backends of Gateways' routes. */
export class ServerTls {
  readonly #objects: ServerTlsObjects;
  readonly #checks: ReferenceChecks;
  #policies: BackendTlsPolicies;
  #certificates: ReadonlyMap<Gateway, ClientCertificate> = new Map();
  #references: ReadonlySet<string> = new Set();
  /** Names of the ports of Services with policies. */
  #ports: ReadonlyMap<string, string> = new Map();

  constructor(objects: ServerTlsObjects, checks: ReferenceChecks) {
    this.#objects = objects;
    this.#checks = checks;
    this.#policies = new BackendTlsPolicies([], checks);
  }

  /** The policies: another object after every decision. */
  get policies(): BackendTlsPolicies {
    return this.#policies;
  }

  /** Returns the certificate that a Gateway presents to backends. Undefined: it names none. */
  certificateOf(gateway: Gateway): ClientCertificate | undefined {
    return this.#certificates.get(gateway);
  }

  /** Keys of the Secrets and ConfigMaps that the decisions depend on. */
  get references(): Iterable<string> {
    return this.#references;
  }

  /** Returns whether changes require a new decision. */
  isAffected(changes: ChangedObjects, references: ReadonlySet<string>): boolean {
    if (changes.has('BackendTLSPolicy')) return true;
    for (const key of references) if (this.#references.has(key)) return true;
    if (this.#ports.size === 0 || !changes.has('Service')) return false;
    for (const key of changes.of('Service')) {
      const known = this.#ports.get(key);
      if (known !== undefined && known !== this.#namePorts(key)) return true;
    }
    return false;
  }

  decide(gateways: Iterable<Gateway>, grants: readonly ReferenceGrant[]): void {
    const policies = [...this.#objects.all('BackendTLSPolicy')];
    const references = new Set(Array.from(listPolicyConfigMaps(policies), configMapKey));
    const certificates = new Map<Gateway, ClientCertificate>();
    for (const gateway of gateways) {
      const found = checkClientCertificate(gateway, grants, this.#checks);
      if (found === undefined) continue;
      certificates.set(gateway, found);
      const { namespace, name } = gateway.clientCertificate ?? {};
      const isGranted = found.state !== 'invalid' || found.reason !== 'RefNotPermitted';
      if (namespace !== undefined && isGranted) references.add(`${namespace}/${name}`);
    }
    this.#references = references;
    this.#certificates = certificates;
    this.#policies = new BackendTlsPolicies(policies, this.#checks);
    this.#ports = new Map(Array.from(this.#policies.services, (key) => [key, this.#namePorts(key)]));
  }

  /**
   * Returns a share with the TLS that a policy requests for it. If the policy or the certificate of the Gateway cannot be
   * used, the share answers with errors, because its requests need TLS.
   *
   * @param home namespace of the route
   */
  dress(share: ServiceShare, home: string, gateway: Gateway): ServiceShare {
    // Usually there are none, and every backend of every route comes here.
    if (this.#policies.decided.length === 0) return share;
    const place = { ...share, namespace: share.namespace ?? home };
    const policy = this.#policies.find(targetPortOf(place, (key) => this.#objects.get('Service', key)));
    if (policy === undefined) return share;
    const own = this.#certificates.get(gateway);
    if (policy.tls === undefined || (own !== undefined && own.state !== 'valid'))
      return { ...share, isForbidden: true };
    return { ...share, tls: { ...policy.tls, ...(own !== undefined && { certificate: own.certificate }) } };
  }

  #namePorts(key: string): string {
    return (this.#objects.get('Service', key)?.ports ?? []).map(({ name, port }) => `${port}=${name}`).join();
  }
}

/** Digests of certificates, because many shares have the same object. */
const digests = new WeakMap<NamedPem, string>();

function digestOf(one: NamedPem): string {
  const digest = digests.get(one) ?? hash('sha256', one.pem);
  digests.set(one, digest);
  return digest;
}

/** Returns equal texts for equal shares, as far as grants and policies decide about them. */
export function describeShare({ isForbidden, tls }: ServiceShare): string {
  return `${isForbidden === true ? 1 : 0}${tls === undefined ? '' : describeTls(tls)}`;
}

function describeTls({ name, authority, certificate }: ShareTls): string {
  const parts = [authority, certificate].map((one) => one && `${one.name} ${digestOf(one)}`);
  return `(${name} ${parts.join(' ')})`;
}
