import type { CertificateSource, PemText } from '../intent/certificate-source.ts';
import type { Group } from '../intent/group.ts';
import { defaultListener } from '../intent/listener.ts';
import type { Filters } from '../intent/match.ts';
import type { AccessRules, SiteDemand, SiteFields, SiteRequest, SiteTls } from '../intent/site-request.ts';
import type { HttpDemand, RouteTls } from './http-demand.ts';
import type { Route } from './route.ts';

const fields: SiteFields = {
  host: 'spec.host',
  path: 'spec.path',
  wildcard: 'spec.wildcardPolicy "Subdomain"',
};

/**
 * Translates a Route into a request for a host.
 *
 * @param host of the Route, or the one that the router gives it
 */
export function translateRoute({ meta, http }: Route, host: string | undefined): SiteRequest {
  return {
    owner: { kind: 'Route', meta, label: `${meta.namespace}:${meta.name}`, fields },
    listener: defaultListener,
    ...(host !== undefined && { host }),
    span: http.ok && http.value.isWildcard ? 'label' : 'host',
    demand: http.ok ? { ok: true, value: translateDemand(http.value) } : http,
  };
}

function translateDemand(demand: HttpDemand): SiteDemand {
  const { path, tls, annotations, warnings } = demand;
  return {
    matches: [{ path: { type: 'prefix', value: path }, filters: translateFilters(demand), group: 0 }],
    groups: [translateGroup(demand)],
    ...(tls !== undefined && { tls: translateTls(tls) }),
    access: translateAccess(demand),
    warnings,
    ignored: annotations.ignored,
  };
}

function translateFilters({ annotations, headers }: HttpDemand): Filters {
  const { forwarded, rewriteTarget, hsts, adjustsCase } = annotations;
  return {
    ...(rewriteTarget !== undefined && { rewriteTarget }),
    requestHeaders: headers.request,
    responseHeaders: headers.response,
    ...(forwarded !== undefined && { forwarded }),
    ...(hsts !== undefined && { hsts }),
    adjustsCase,
  };
}

function translateAccess({ annotations: { allowed, limits } }: HttpDemand): AccessRules {
  return { ...(allowed !== undefined && { allowed }), limits };
}

function translateGroup({ annotations, backends, targetPort, tls }: HttpDemand): Group {
  const { balance, hasCookies, cookieName, sameSite, serverTimeout, tunnelTimeout, serverConnections, checkInterval } =
    annotations;
  const authorities = readPem(tls, 'destinationCaCertificate', 'destinationCACertificate');
  return {
    shares: backends,
    ...(targetPort !== undefined && { targetPort }),
    ...(tls?.termination === 'reencrypt' && { tls: authorities === undefined ? {} : { authorities } }),
    ...(balance !== undefined && { balance }),
    ...(hasCookies && { cookie: { ...(cookieName !== undefined && { name: cookieName }), sameSite } }),
    ...(serverTimeout !== undefined && { serverTimeout }),
    ...(tunnelTimeout !== undefined && { tunnelTimeout }),
    ...(serverConnections !== undefined && { serverConnections }),
    ...(checkInterval !== undefined && { checkInterval }),
  };
}

function translateTls(tls: RouteTls): SiteTls {
  const plain = ({ None: 'reject', Allow: 'serve', Redirect: 'redirect' } as const)[tls.insecure];
  if (tls.termination === 'passthrough') return { end: 'endpoint', plain };
  const certificate = translateCertificate(tls);
  return { end: 'router', plain, ...(certificate !== undefined && { certificate }) };
}

function translateCertificate(tls: RouteTls): CertificateSource | undefined {
  const chain = readPem(tls, 'caCertificate', 'caCertificate');
  const withChain = chain === undefined ? {} : { chain };
  if (tls.externalCertificate !== undefined) {
    return { from: 'secret', name: tls.externalCertificate, field: 'spec.tls.externalCertificate', ...withChain };
  }
  const certificate = readPem(tls, 'certificate', 'certificate');
  const key = readPem(tls, 'key', 'key');
  // As in OpenShift, a key alone has no effect; a warning reports it.
  if (certificate === undefined) return undefined;
  return {
    from: 'text',
    certificate,
    ...(key !== undefined && { key }),
    ...withChain,
    fields: { certificate: 'spec.tls.certificate', key: 'spec.tls.key' },
  };
}

type PemKey = 'certificate' | 'key' | 'caCertificate' | 'destinationCaCertificate';

function readPem(tls: RouteTls | undefined, key: PemKey, field: string): PemText | undefined {
  const pem = tls?.[key];
  return pem === undefined ? undefined : { pem, field: `spec.tls.${field}` };
}
