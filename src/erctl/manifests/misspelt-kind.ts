import type { Problem } from '../../base/model/problem.ts';
import { findClosest } from '../../base/read/closest.ts';
import { showValue } from '../../base/read/show-value.ts';
import { kindNames, kinds } from '../../ingress/objects/kinds.ts';

/** Kinds of these groups that other programs handle. */
const otherKinds = [
  'XListenerSet',
  'RouteList',
  'ClusterNetwork',
  'HostSubnet',
  'NetNamespace',
  'EgressNetworkPolicy',
  'OperatorPKI',
];

/** Kinds that this project reads, by API group. */
const ownKinds: Readonly<Record<string, readonly string[]>> = {
  'network.operator.openshift.io': ['EgressRouter'],
  'k8s.cni.cncf.io': ['NetworkAttachmentDefinition'],
  'route.openshift.io': ['Route'],
  'gateway.networking.k8s.io': kindNames.filter((kind) => kinds[kind].group === 'gateway.networking.k8s.io'),
};

/** Kinds whose names resemble no other kind. */
const rareKinds = ['EgressRouter', 'NetworkAttachmentDefinition'];

/**
 * Returns the problem of an object that almost matches one of our kinds: a misspelt kind or API version. Undefined
 * for objects of other programs.
 */
export function findMisspeltKind({ kind, apiVersion }: Record<string, unknown>): Problem | undefined {
  if (typeof kind !== 'string' || typeof apiVersion !== 'string') return undefined;
  const [group = ''] = apiVersion.split('/', 1);
  const own = Object.hasOwn(ownKinds, group) ? (ownKinds[group] ?? []) : rareKinds;
  const meant = otherKinds.includes(kind) || own.includes(kind) ? undefined : findClosest(kind, own);
  if (meant !== undefined) {
    return { path: 'kind', value: showValue(kind), cure: `is not a kind of ${group}; did you mean "${meant}"?` };
  }
  const known = kindNames.find((one) => one === kind);
  if (known === undefined) return undefined;
  const versions = kinds[known].versions.map((version) =>
    kinds[known].group === '' ? version : `${kinds[known].group}/${version}`,
  );
  const version = findClosest(apiVersion, versions);
  if (version === undefined) return undefined;
  return { path: 'apiVersion', value: showValue(apiVersion), cure: `is not supported; did you mean "${version}"?` };
}
