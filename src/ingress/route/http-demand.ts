import type { Problem } from '../../base/model/problem.ts';
import { isLabelName } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import type { ServiceShare } from '../intent/service-share.ts';
import { longestHostAndPath } from '../intent/site-request.ts';
import { type HeaderActions, readHeaderActions } from './header-actions.ts';
import { type HttpAnnotations, readHttpAnnotations } from './http-annotations.ts';
import type { RouteParts, WrittenRouteSpec } from './spec.ts';

/** Where TLS ends: there is none (`none`), the router (`edge`, `reencrypt`), or the endpoint (`passthrough`). */
export type Termination = 'none' | 'edge' | 'reencrypt' | 'passthrough';

/** The TLS part of a Route: PEM texts as written, not yet checked. */
export interface RouteTls {
  readonly termination: Exclude<Termination, 'none'>;
  /** What becomes of clients without TLS. */
  readonly insecure: 'None' | 'Allow' | 'Redirect';
  readonly certificate?: string;
  readonly key?: string;
  readonly caCertificate?: string;
  readonly destinationCaCertificate?: string;
  /** Name of a Secret of the Route's namespace, of type kubernetes.io/tls, that has the certificate instead. */
  readonly externalCertificate?: string;
}

/** Characters of a path: with the shortest host. */
const longestPath = longestHostAndPath - 1;

/** What a Route wants for its host and path. */
export interface HttpDemand {
  /** Begins with `/`; empty: every path. */
  readonly path: string;
  /** Every host one label below the host's own domain (`wildcardPolicy: Subdomain`). */
  readonly isWildcard: boolean;
  readonly tls?: RouteTls;
  /** The first is `spec.to`. */
  readonly backends: readonly ServiceShare[];
  /** Name or number of the endpoints' port; absent: every port of the Service but those of UDP. */
  readonly targetPort?: string | number;
  readonly headers: HeaderActions;
  readonly annotations: HttpAnnotations;
  /** Annotations that cannot be read, and so count as absent: told in the status. */
  readonly warnings: readonly Problem[];
}

/** Reads what a Route wants for its host and path; mistakes that OpenShift's API refuses are noted. */
export function readHttpDemand(parts: RouteParts, problems: ProblemList): HttpDemand {
  const { spec, backends, targetPort } = parts;
  const warnings = new ProblemList();
  const tls = readTls(spec, problems);
  const path = readPath(spec.path, tls?.termination, problems);
  const isWildcard = readWildcard(spec, problems);
  const headers = readHeaderActions(parts.httpHeaders, problems);
  if (tls?.termination === 'passthrough' && headers.request.length + headers.response.length > 0) {
    problems.add('spec.httpHeaders', 'given', 'must be absent: only the endpoint can read a passthrough connection');
  }
  const annotations = readHttpAnnotations(parts.annotations, parts.routerNameKey, warnings);
  return {
    path,
    isWildcard,
    ...(tls !== undefined && { tls }),
    backends,
    ...(targetPort !== undefined && { targetPort }),
    headers,
    annotations,
    warnings: warnings.list,
  };
}

function readPath(written: string | undefined, termination: Termination | undefined, problems: ProblemList): string {
  if (written === undefined || written === '') return '';
  if (termination === 'passthrough') {
    problems.add('spec.path', written, 'must be absent: only the endpoint sees the path of a passthrough connection');
    return '';
  }
  // What no request line can hold would keep the paths of all Routes of the host from being written.
  const isPath = written.length <= longestPath && /^\/[\x21\x22\x24-\x7e]*$/.test(written);
  if (isPath) return written;
  const cure = `must begin with "/" and have no blank and no "#", other letters than ASCII percent-encoded, at most ${longestPath} characters`;
  problems.add('spec.path', written, cure);
  return '';
}

function readWildcard({ wildcardPolicy, host }: WrittenRouteSpec, problems: ProblemList): boolean {
  const policy = wildcardPolicy || 'None';
  if (policy === 'None') return false;
  if (policy !== 'Subdomain') problems.add('spec.wildcardPolicy', policy, 'must be None or Subdomain');
  else if (!host) problems.add('spec.host', host, 'must be set: wildcardPolicy Subdomain needs a host');
  return policy === 'Subdomain';
}

/** Termination absent means edge, or re-encrypt where a destination CA is given, as OpenShift's API sets it. */
function readTls({ tls }: WrittenRouteSpec, problems: ProblemList): RouteTls | undefined {
  if (tls === undefined) return undefined;
  const termination = tls.termination || (tls.destinationCACertificate ? 'reencrypt' : 'edge');
  if (termination !== 'edge' && termination !== 'reencrypt' && termination !== 'passthrough') {
    problems.add('spec.tls.termination', termination, 'must be edge, reencrypt or passthrough');
    return undefined;
  }
  const insecure = tls.insecureEdgeTerminationPolicy || 'None';
  const allowed = termination === 'passthrough' ? ['None', 'Redirect'] : ['None', 'Allow', 'Redirect'];
  if (!allowed.includes(insecure)) {
    problems.add('spec.tls.insecureEdgeTerminationPolicy', insecure, `must be ${allowed.join(', ')}`);
  }
  const refuse = (key: keyof typeof tls, cure: string) => {
    // Never the value: it may be a private key.
    if (tls[key]) problems.add(`spec.tls.${key}`, 'given', cure);
  };
  if (termination === 'passthrough') {
    for (const key of ['certificate', 'key', 'caCertificate', 'destinationCACertificate'] as const) {
      refuse(key, 'must be absent: the endpoint ends TLS');
    }
    if (tls.externalCertificate) refuse('externalCertificate', 'must be absent: the endpoint ends TLS');
  }
  if (termination === 'edge')
    refuse('destinationCACertificate', 'must be absent: connections to endpoints have no TLS');
  const secret = tls.externalCertificate?.name;
  if (secret && (tls.certificate || tls.key)) {
    refuse('certificate', 'must be absent beside externalCertificate');
    refuse('key', 'must be absent beside externalCertificate');
  }
  if (secret && !isSecretName(secret)) {
    problems.add('spec.tls.externalCertificate.name', secret, 'must be the name of a Secret');
  }
  return {
    termination,
    insecure: insecure as RouteTls['insecure'],
    ...(tls.certificate && { certificate: tls.certificate }),
    ...(tls.key && { key: tls.key }),
    ...(tls.caCertificate && { caCertificate: tls.caCertificate }),
    ...(tls.destinationCACertificate && { destinationCaCertificate: tls.destinationCACertificate }),
    ...(secret && { externalCertificate: secret }),
  };
}

function isSecretName(name: string): boolean {
  return name.length <= 253 && name.split('.').every(isLabelName);
}
