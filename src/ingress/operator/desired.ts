import { randomBytes } from 'node:crypto';
import { isRecord } from '../../base/read/shape.ts';
import type { Admission } from './admission.ts';
import { decode, encode, type KeyPair } from './certificates.ts';
import type { IngressController } from './ingress-controller.ts';
import { listsKey, namesOf } from './names.ts';
import { makeObject, type RouterObject } from './objects.ts';
import type { References } from './references.ts';
import { makeBudget, makePolicy } from './safety.ts';
import { makeServices } from './services.ts';
import type { IpMode } from './variables/model.ts';
import { writeVariables } from './variables/variables.ts';
import { readVirtualAddress } from './virtual-address.ts';
import { isDaemonSet, makeWorkload } from './workload.ts';

/** State of the cluster that the objects of a router depend on. */
export interface RouterContext {
  /** Image of the operator, which routers also run. */
  readonly image: string;
  readonly ipMode: IpMode;
  readonly hasOneNode: boolean;
  readonly references: References;
  /** Revocation lists of client certificates in PEM, if the references have them. */
  readonly revocationLists: string | undefined;
  /** The default certificate that the operator created. */
  readonly certificate: KeyPair;
  /** The certificate of the metrics. */
  readonly metricsCertificate: KeyPair;
  /** The Secret with the credentials of metrics, if it exists. */
  readonly stats: unknown;
  /** Whether the Service of type NodePort has the port of metrics, or does not exist. */
  readonly hasMetricsNodePort: boolean;
}

/** Returns every object of an admitted IngressController in the order in which they are applied. */
export function makeObjects(
  { meta: { name }, annotations }: Pick<IngressController, 'meta' | 'annotations'>,
  { spec, domain, strategy }: Extract<Admission, { readonly isAdmitted: true }>,
  context: RouterContext,
): readonly RouterObject[] {
  const { references, revocationLists, image, ipMode, hasOneNode, hasMetricsNodePort } = context;
  const { errorPages, revocation } = references;
  const hasRevocationLists = revocation.plan.kind === 'used';
  const variables = writeVariables({
    name,
    annotations,
    spec,
    strategy,
    domain,
    ipMode,
    errorPages,
    hasRevocationLists,
  });
  const names = namesOf(name);
  const certificate = spec.defaultCertificate?.name || names.certificate;
  const files = references.digest;
  const hasVirtualAddress = readVirtualAddress(strategy, annotations) !== undefined;
  const workload = {
    name,
    image,
    spec,
    strategy,
    variables,
    certificate,
    files,
    hasVirtualAddress,
    hasOneNode,
    hasRevocationLists,
  };
  // Drains skip the pods of DaemonSets, so a budget would have no effect.
  const budget = isDaemonSet(workload) ? undefined : makeBudget(name, spec);
  return [
    makeCertificate(name, names.certificate, context.certificate),
    makeCertificate(name, names.metricsCertificate, context.metricsCertificate),
    makeStats(name, context.stats),
    ...references.copies,
    ...(revocationLists === undefined ? [] : [makeRevocationLists(name, revocationLists)]),
    makePolicy(name),
    makeWorkload(workload),
    ...makeServices({ name, domain, strategy, annotations, ipMode, hasMetricsNodePort }),
    ...(budget === undefined ? [] : [budget]),
  ];
}

/** The agent rereads the file, so its content does not change the pod template. */
export function makeRevocationLists(owner: string, pem: string): RouterObject {
  return makeObject('configMaps', owner, namesOf(owner).revocationLists, { data: { [listsKey]: pem } });
}

function makeCertificate(owner: string, name: string, { certificate, key }: KeyPair): RouterObject {
  const data = { 'tls.crt': encode(certificate), 'tls.key': encode(key) };
  return makeObject('secrets', owner, name, { type: 'kubernetes.io/tls', data });
}

/** Returns the credentials of metrics, which are generated once. */
function makeStats(owner: string, present: unknown): RouterObject {
  const written = isRecord(present) && isRecord(present.data) ? present.data : {};
  const [user, password] = [decode(written.statsUsername), decode(written.statsPassword)];
  const choose = (word: string): string => `${word}${randomBytes(12).toString('hex')}`;
  const data = { statsUsername: encode(user ?? choose('user')), statsPassword: encode(password ?? choose('pass')) };
  return makeObject('secrets', owner, namesOf(owner).stats, { type: 'Opaque', data });
}
