import { byAgeAndName } from '../claims/order.ts';
import type { ReferenceChecks } from '../intent/references.ts';
import type { ShareTls } from '../intent/service-share.ts';
import type { Service } from '../objects/service.ts';
import type { BackendTlsPolicy } from './backend-tls-policy.ts';
import type { Refusal } from './refusal.ts';

/** A policy with the decision about it. */
export interface DecidedPolicy {
  readonly policy: BackendTlsPolicy;
  /** TLS that its Services get. Absent: they answer with errors. */
  readonly tls?: ShareTls;
  /** A ConfigMap has not been read yet. */
  readonly isWaiting?: true;
  /** Why it is not accepted. */
  readonly refusal?: Refusal<'Invalid' | 'NoValidCACertificate'>;
  /** A reference that cannot be used. */
  readonly unresolved?: Refusal<'InvalidCACertificateRef' | 'InvalidKind'>;
  /** Targets for which another policy counts, as `SERVICE` or `SERVICE port NAME`. */
  readonly lost: readonly string[];
}

/** A port of a Service. */
export interface TargetPort {
  /** `NAMESPACE/NAME` of the Service. */
  readonly service: string;
  /** Name of the port, if it is known. */
  readonly port: string | undefined;
}

/** Policies of one Service. */
interface Targeted {
  /** Policies for all ports, in order of precedence. */
  readonly whole: DecidedPolicy[];
  /** Policies for one port, by its name. */
  readonly sections: Map<string, DecidedPolicy[]>;
}

/**
 * The BackendTLSPolicies of all Services. A policy that names a port takes precedence over those for the whole Service;
 * otherwise the oldest counts (Gateway API, GEP-713).
 */
export class BackendTlsPolicies {
  readonly #targeted = new Map<string, Targeted>();
  readonly decided: readonly DecidedPolicy[];

  constructor(policies: Iterable<BackendTlsPolicy>, checks: ReferenceChecks) {
    this.decided = [...policies].sort(byAgeAndName).map((policy) => this.#decide(policy, checks));
  }

  /** Returns the policy that counts for a port. */
  find(target: TargetPort): DecidedPolicy | undefined {
    const found = this.#targeted.get(target.service);
    return (target.port === undefined ? undefined : found?.sections.get(target.port)?.[0]) ?? found?.whole[0];
  }

  /** Returns all policies that name a port or its Service, also those that do not count. */
  listFor({ service, port }: TargetPort): readonly DecidedPolicy[] {
    const found = this.#targeted.get(service);
    return [...((port === undefined ? undefined : found?.sections.get(port)) ?? []), ...(found?.whole ?? [])];
  }

  /** Services with policies, `NAMESPACE/NAME`. */
  get services(): Iterable<string> {
    return this.#targeted.keys();
  }

  #decide(policy: BackendTlsPolicy, checks: ReferenceChecks): DecidedPolicy {
    const { targets, meta } = policy;
    const places = targets.map(({ service, section }) => {
      const key = `${meta.namespace}/${service}`;
      const known = this.#targeted.get(key) ?? { whole: [], sections: new Map<string, DecidedPolicy[]>() };
      this.#targeted.set(key, known);
      const list = section === undefined ? known.whole : (known.sections.get(section) ?? []);
      if (section !== undefined) known.sections.set(section, list);
      return { list, name: section === undefined ? service : `${service} port ${section}` };
    });
    const lost = places.flatMap(({ list, name }) => (list.length > 0 ? [name] : []));
    const decided: DecidedPolicy = { policy, lost, ...checkPolicy(policy, checks) };
    for (const { list } of places) if (!list.includes(decided)) list.push(decided);
    return decided;
  }
}

function checkPolicy(
  { meta, hostname, authorities, refusal }: BackendTlsPolicy,
  checks: ReferenceChecks,
): Omit<DecidedPolicy, 'policy' | 'lost'> {
  if (refusal !== undefined) return { refusal: { reason: 'Invalid', message: refusal } };
  const read = authorities.map(({ path, namespace, name, refusal: fault }) =>
    fault === undefined
      ? checks.authorities(`${namespace}/${name}`, path)
      : { state: 'invalid' as const, message: fault.message, reason: fault.reason },
  );
  const good = read.flatMap((one) => (one.state === 'valid' ? [one.pem] : []));
  const bad = read.find((one) => one.state === 'invalid');
  const unresolved = bad && {
    reason: 'reason' in bad ? bad.reason : ('InvalidCACertificateRef' as const),
    message: bad.message,
  };
  if (read.some(({ state }) => state === 'waiting')) return { isWaiting: true };
  if (good.length === 0) {
    const message = unresolved?.message ?? 'spec.validation.caCertificateRefs: must name a ConfigMap';
    return { refusal: { reason: 'NoValidCACertificate', message }, ...(unresolved && { unresolved }) };
  }
  const authority = { name: `${meta.namespace}:BackendTLSPolicy.${meta.name}`, pem: good.join('') };
  return { tls: { name: hostname, authority }, ...(unresolved && { unresolved }) };
}

/** Returns the name of the port that a backend refers to. */
export function targetPortOf(
  {
    namespace,
    service,
    servicePort,
  }: { readonly namespace: string; readonly service: string; readonly servicePort?: string | number },
  serviceOf: (key: string) => Service | undefined,
): TargetPort {
  const key = `${namespace}/${service}`;
  const port = serviceOf(key)?.ports.find((one) => one.port === servicePort && one.protocol === 'tcp');
  return { service: key, port: port?.name };
}

/** Returns the ConfigMaps (`NAMESPACE/NAME`) that policies refer to. */
export function listPolicyConfigMaps(policies: Iterable<BackendTlsPolicy>): ReadonlySet<string> {
  const keys = new Set<string>();
  for (const { authorities } of policies)
    for (const { namespace, name } of authorities) if (name !== undefined) keys.add(`${namespace}/${name}`);
  return keys;
}
