import type { Problem } from '../../base/model/problem.ts';
import { isLabelName } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { longestHostAndPath } from '../intent/match.ts';
import type { ServiceShare } from '../intent/service-share.ts';
import { type HeaderActions, readHeaderActions } from './header-actions.ts';
import { type HttpAnnotations, readHttpAnnotations } from './http-annotations.ts';
import { type RouteParts, readTermination, type WrittenRouteSpec } from './spec.ts';

/**
 * Where TLS is terminated: nowhere (`none`), at the router (`edge`, `reencrypt`), or at the endpoint (`passthrough`).
 */
export type Termination = 'none' | 'edge' | 'reencrypt' | 'passthrough';

/** The TLS settings of a Route: PEM as received, not yet validated. */
export interface RouteTls {
  readonly termination: Exclude<Termination, 'none'>;
  /** Treatment of clients without TLS. */
  readonly insecure: 'None' | 'Allow' | 'Redirect';
  readonly certificate?: string;
  readonly key?: string;
  readonly caCertificate?: string;
  readonly destinationCaCertificate?: string;
  /** Name of a Secret of type kubernetes.io/tls in the Route's namespace that contains the certificate. */
  readonly externalCertificate?: string;
}

/** Maximum length of a path in characters, with the shortest host. */
const longestPath = longestHostAndPath - 1;

/** What a Route requests for its host and path. */
export interface HttpDemand {
  /** Begins with `/`. Empty: all paths. */
  readonly path: string;
  /** Whether it requests every host one label below its host's domain (`wildcardPolicy: Subdomain`). */
  readonly isWildcard: boolean;
  readonly tls?: RouteTls;
  /** The first is `spec.to`. */
  readonly backends: readonly ServiceShare[];
  /** Name or number of the endpoints' port. Absent: every port of the Service except UDP. */
  readonly targetPort?: string | number;
  readonly headers: HeaderActions;
  readonly annotations: HttpAnnotations;
  /** Invalid annotations, which are ignored and reported in the status. */
  readonly warnings: readonly Problem[];
}

/** Parses what a Route requests for its host and path, and records mistakes that OpenShift's API rejects. */
export function readHttpDemand(parts: RouteParts, problems: ProblemList): HttpDemand {
  const { spec, backends, targetPort } = parts;
  const warnings = new ProblemList();
  const tls = readTls(spec, problems, warnings);
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
  // A path that no request line can contain would prevent the paths of all Routes of the host from being rendered.
  const isPath = written.length <= longestPath && /^\/[\x21\x22\x24-\x3e\x40-\x7e]*$/.test(written);
  if (isPath) return written;
  const cure = written.includes('?')
    ? 'must not contain "?": a path never matches the query; remove it, or write %3F for a question mark in the path'
    : `must begin with "/" and contain no blank, no "#" and no unencoded non-ASCII character, at most ${longestPath} characters`;
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

/** Without termination the default is edge, or re-encrypt if there is a destination CA, as in OpenShift's API. */
function readTls(spec: WrittenRouteSpec, problems: ProblemList, warnings: ProblemList): RouteTls | undefined {
  const { tls } = spec;
  if (tls === undefined) return undefined;
  const written = readTermination(spec, problems);
  if (written === undefined && tls.termination) return undefined;
  const termination = written ?? (tls.destinationCACertificate ? 'reencrypt' : 'edge');
  const insecure = tls.insecureEdgeTerminationPolicy || 'None';
  const allowed = termination === 'passthrough' ? ['None', 'Redirect'] : ['None', 'Allow', 'Redirect'];
  if (!allowed.includes(insecure)) {
    problems.add('spec.tls.insecureEdgeTerminationPolicy', insecure, `must be ${allowed.join(', ')}`);
  }
  const refuse = (key: keyof typeof tls, cure: string) => {
    // Never quotes the value, which may be a private key.
    if (tls[key]) problems.add(`spec.tls.${key}`, 'given', cure);
  };
  if (termination === 'passthrough') {
    for (const key of ['certificate', 'key', 'caCertificate', 'destinationCACertificate'] as const) {
      refuse(key, 'must be absent: the endpoint terminates TLS');
    }
    if (tls.externalCertificate) refuse('externalCertificate', 'must be absent: the endpoint terminates TLS');
  }
  if (termination === 'edge')
    refuse('destinationCACertificate', 'must be absent: connections to endpoints have no TLS');
  const secret = tls.externalCertificate?.name;
  if (termination !== 'passthrough' && !secret && !tls.certificate) {
    for (const key of ['key', 'caCertificate'] as const) {
      if (tls[key]) warnings.add(`spec.tls.${key}`, 'given', 'must come with spec.tls.certificate');
    }
  }
  if (secret && (tls.certificate || tls.key)) {
    refuse('certificate', 'must be absent with externalCertificate');
    refuse('key', 'must be absent with externalCertificate');
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
