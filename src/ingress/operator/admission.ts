import { isLabelName, type ObjectMeta } from '../../base/read/object-meta.ts';
import { joinGoErrors } from './go-text.ts';
import type { IngressController } from './ingress-controller.ts';
import { selectorAsLabels } from './label-selector.ts';
import { longestName } from './names.ts';
import type { IngressControllerSpec } from './spec.ts';
import { completeStrategy, type Strategy, typeInStatus } from './strategy.ts';
import { checkTlsProfile } from './tls-profile.ts';
import { checkVirtualAddress } from './virtual-address.ts';

/** The decision about an IngressController: its spec to apply, or the reasons against it. */
export type Admission =
  | {
      readonly isAdmitted: true;
      readonly spec: IngressControllerSpec;
      readonly domain: string;
      readonly strategy: Strategy;
    }
  | { readonly isAdmitted: false; readonly message: string; readonly domain: string; readonly strategy: Strategy };

/** A domain and its owner. */
export interface DomainOwner {
  readonly uid: string;
  readonly name: string;
}

/** Returns the domain that an object requests; empty if there is none. */
export function domainOf({ spec, written }: IngressController, clusterDomain: string | undefined): string {
  const domain = spec?.domain ?? written.domain;
  return (typeof domain === 'string' && domain) || clusterDomain || '';
}

/**
 * Returns the owner of each domain. An object that is admitted with a domain keeps it; otherwise the oldest object
 * gets it. An object that is being deleted keeps its domain until it is gone.
 */
export function assignDomains(
  objects: readonly IngressController[],
  clusterDomain: string | undefined,
): ReadonlyMap<string, DomainOwner> {
  const owners = new Map<string, DomainOwner>();
  const claim = (domain: string, { uid, name }: ObjectMeta): void => {
    if (domain !== '' && !owners.has(domain)) owners.set(domain, { uid, name });
  };
  const byAge = [...objects].sort(
    (one, other) => one.meta.created - other.meta.created || (one.meta.uid < other.meta.uid ? -1 : 1),
  );
  for (const object of byAge) {
    const { domain } = object.status;
    // The router serves the domain in the status until a new one is applied.
    if (isAdmitted(object) && typeof domain === 'string') claim(domain, object.meta);
  }
  for (const object of byAge) claim(domainOf(object, clusterDomain), object.meta);
  return owners;
}

/** Whether an object has a router; its status then describes it. */
export function isDeployed({ selector }: Readonly<Record<string, unknown>>): boolean {
  return typeof selector === 'string' && selector !== '';
}

/** Whether an object was admitted before. */
export function isAdmitted({ status }: IngressController): boolean {
  const conditions = Array.isArray(status.conditions) ? status.conditions : [];
  return conditions.some((one) => one?.type === 'Admitted' && one.status === 'True');
}

/** Decides whether the spec of an object is applied. Messages are those of OpenShift's operator where it has one. */
export function admit(
  object: IngressController,
  owners: ReadonlyMap<string, DomainOwner>,
  clusterDomain: string | undefined,
): Admission {
  const { meta, spec, problems } = object;
  const domain = domainOf(object, clusterDomain);
  const strategy = completeStrategy(spec?.endpointPublishingStrategy);
  const found = [
    ...checkName(meta.name),
    ...checkDomain(meta, domain, owners),
    ...problems,
    ...(spec === undefined ? [] : checkSpec(spec, strategy)),
    ...(spec === undefined ? [] : checkVirtualAddress(spec, strategy, object.annotations)),
    ...checkType(object, strategy),
  ];
  if (found.length > 0 || spec === undefined) {
    return { isAdmitted: false, message: joinGoErrors(found), domain, strategy };
  }
  return { isAdmitted: true, spec, domain, strategy };
}

function checkName(name: string): readonly string[] {
  if (isLabelName(name) && name.length <= longestName) return [];
  return [
    `metadata.name "${name}": must be at most ${longestName} lower-case letters, digits and "-", because Services contain it`,
  ];
}

function checkDomain({ uid, name }: ObjectMeta, domain: string, owners: ReadonlyMap<string, DomainOwner>): string[] {
  if (domain === '') return ['domain is required'];
  const problems: string[] = [];
  if (domain.length > 253 || !domain.split('.').every(isLabelName)) {
    problems.push(`spec.domain "${domain}": must be a DNS name of labels with at most 63 characters, in lower case`);
  } else if (`router-${name}.${domain}`.length > 253) {
    problems.push(`spec.domain "${domain}": router-${name}.DOMAIN must have at most 253 characters`);
  }
  const owner = owners.get(domain);
  if (owner !== undefined && owner.uid !== uid) problems.push(`conflicts with: ${owner.name}`);
  return problems;
}

/** Sizes that the agent uses when the object sets none. */
const usualBuffers = { size: 32_768, rewrite: 8192 } as const;

function checkSpec(spec: IngressControllerSpec, strategy: Strategy): readonly string[] {
  const problems: string[] = [...checkTlsProfile(spec.tlsSecurityProfile)];
  const { headerBufferBytes, headerBufferMaxRewriteBytes, maxConnections = 0 } = spec.tuningOptions ?? {};
  const [size, rewrite] = [headerBufferBytes || usualBuffers.size, headerBufferMaxRewriteBytes || usualBuffers.rewrite];
  if (size <= rewrite) {
    problems.push(
      `invalid spec.httpHeaderBuffer: headerBufferBytes (${size}) must be larger than headerBufferMaxRewriteBytes (${rewrite})`,
    );
  }
  for (const [field, value, least] of [
    ['headerBufferBytes', size, 16_384],
    ['headerBufferMaxRewriteBytes', rewrite, 4096],
  ] as const) {
    if (value < least) problems.push(`spec.tuningOptions.${field} ${value}: must be at least ${least}`);
  }
  if (maxConnections > 0 && maxConnections < 2000) {
    problems.push(`spec.tuningOptions.maxConnections ${maxConnections}: must be 0, -1, or between 2000 and 2000000`);
  }
  if (strategy.type === 'HostNetwork') {
    const { httpPort, httpsPort, statsPort } = strategy.hostNetwork;
    if (new Set([httpPort, httpsPort, statsPort]).size < 3) {
      problems.push(`the specified HTTPS, HTTP and Stats ports ${httpsPort}, ${httpPort}, ${statsPort} are not unique`);
    }
  }
  const { nodeSelector } = spec.nodePlacement ?? {};
  if (nodeSelector !== undefined && selectorAsLabels(nodeSelector) === undefined) {
    problems.push('spec.nodePlacement.nodeSelector: must use matchLabels only, or In with one value');
  }
  if (spec.clientTLS?.clientCertificatePolicy && !spec.clientTLS.clientCA?.name) {
    problems.push('spec.clientTLS.clientCA.name: must name the ConfigMap with the authorities of client certificates');
  }
  return problems;
}

/** A new type would change the router's address, and clients would lose it. */
function checkType({ status }: IngressController, { type }: Strategy): readonly string[] {
  const applied = typeInStatus(status);
  if (!isDeployed(status) || applied === undefined || applied === type) return [];
  return [
    `spec.endpointPublishingStrategy.type cannot change from ${applied} to ${type}: delete the IngressController and create it again, or restore the type`,
  ];
}
