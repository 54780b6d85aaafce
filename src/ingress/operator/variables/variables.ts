import { parseGoBool, quoteGo } from '../go-text.ts';
import { writeSelector } from '../label-selector.ts';
import { annotations, listsKey, places } from '../names.ts';
import type { IngressControllerSpec } from '../spec.ts';
import { portsOf, type Strategy, usesProxyProtocol } from '../strategy.ts';
import { chooseTlsProfile, metricsTls, serveTlsProfile, writeTlsVariables } from '../tls-profile.ts';
import { writeHeaderVariables } from './headers.ts';
import { writeLoggingVariables } from './logging.ts';
import type { IpMode, Variables } from './model.ts';
import { writeOverrideVariables } from './overrides.ts';
import { mountPaths } from './paths.ts';
import { writeTuningVariables } from './tuning.ts';

/** Inputs of the variables of a router. */
export interface VariableParts {
  /** `metadata.name` of the IngressController. */
  readonly name: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: IngressControllerSpec;
  readonly strategy: Strategy;
  readonly domain: string;
  readonly ipMode: IpMode;
  /** The error pages that exist, by HTTP status. Undefined: the ConfigMap does not exist yet. */
  readonly errorPages: readonly ('404' | '503')[] | undefined;
  /** Whether the authorities of client certificates have revocation lists. */
  readonly hasRevocationLists: boolean;
}

/**
 * Returns the environment variables of a router's agent: those that OpenShift's operator sets, for what HAProxy needs
 * to serve. Defaults that differ between that operator and the agent are written out.
 */
export function writeVariables(parts: VariableParts): Variables {
  const { name, spec, strategy, domain, ipMode } = parts;
  const ports = portsOf(strategy);
  return {
    ROUTER_SERVICE_NAME: name,
    ROUTER_SERVICE_NAMESPACE: places.routers,
    STATS_USERNAME_FILE: `${mountPaths.stats}/statsUsername`,
    STATS_PASSWORD_FILE: `${mountPaths.stats}/statsPassword`,
    STATS_PORT: `${ports.stats}`,
    ROUTER_METRICS_TYPE: 'haproxy',
    ROUTER_METRICS_TLS_CERT_FILE: `${mountPaths.metricsCertificate}/tls.crt`,
    ROUTER_METRICS_TLS_KEY_FILE: `${mountPaths.metricsCertificate}/tls.key`,
    ...metricsTls,
    ROUTER_TCP_BALANCE_SCHEME: 'source',
    DEFAULT_CERTIFICATE_DIR: mountPaths.certificate,
    DEFAULT_DESTINATION_CA_PATH: `${mountPaths.services}/service-ca.crt`,
    ROUTER_ENABLE_EXTERNAL_CERTIFICATE: 'true',
    ROUTER_DOMAIN: domain,
    ROUTER_CANONICAL_HOSTNAME: `router-${name}.${domain}`,
    ...(strategy.type === 'HostNetwork' && {
      ROUTER_SERVICE_HTTP_PORT: `${ports.http}`,
      ROUTER_SERVICE_HTTPS_PORT: `${ports.https}`,
    }),
    ...(usesProxyProtocol(strategy) && { ROUTER_USE_PROXY_PROTOCOL: 'true' }),
    ...(ipMode !== 'v4' && { ROUTER_IP_V4_V6_MODE: ipMode }),
    ...(spec.namespaceSelector !== undefined && { NAMESPACE_LABELS: writeSelector(spec.namespaceSelector) }),
    ...(spec.routeSelector !== undefined && { ROUTE_LABELS: writeSelector(spec.routeSelector) }),
    ...writeTlsVariables(serveTlsProfile(chooseTlsProfile(spec.tlsSecurityProfile))),
    ...writeClientTls(spec.clientTLS, parts.hasRevocationLists),
    ...writeAdmission(spec.routeAdmission),
    ...writeLoggingVariables(spec.logging),
    ...writeHeaderVariables(spec.httpHeaders),
    ...writeTuningVariables(spec.tuningOptions ?? {}, parts.annotations),
    ...writeOverrideVariables(spec),
    ...writePolicies(spec),
    ...writeErrorPages(parts),
    ROUTER_DISABLE_HTTP2: parseGoBool(parts.annotations[annotations.http2]) === true ? 'false' : 'true',
  };
}

function writeClientTls(clientTls: IngressControllerSpec['clientTLS'], hasRevocationLists: boolean): Variables {
  const { clientCertificatePolicy: policy, clientCA, allowedSubjectPatterns: patterns = [] } = clientTls ?? {};
  if (!policy) return {};
  return {
    ROUTER_MUTUAL_TLS_AUTH: policy.toLowerCase(),
    ...(clientCA?.name && {
      ROUTER_MUTUAL_TLS_AUTH_CA: `${mountPaths.clientAuthorities}/ca-bundle.pem`,
      ...(hasRevocationLists && { ROUTER_MUTUAL_TLS_AUTH_CRL: `${mountPaths.revocationLists}/${listsKey}` }),
      ...(patterns.length > 0 && { ROUTER_MUTUAL_TLS_AUTH_FILTER: `(?:${patterns.join('|')})` }),
    }),
  };
}

function writeAdmission(admission: IngressControllerSpec['routeAdmission']): Variables {
  return {
    ROUTER_DISABLE_NAMESPACE_OWNERSHIP_CHECK: `${admission?.namespaceOwnership === 'InterNamespaceAllowed'}`,
    ROUTER_ALLOW_WILDCARD_ROUTES: `${admission?.wildcardPolicy === 'WildcardsAllowed'}`,
  };
}

function writePolicies(spec: IngressControllerSpec): Variables {
  const mimeTypes = spec.httpCompression?.mimeTypes ?? [];
  return {
    ...(spec.httpEmptyRequestsPolicy === 'Ignore' && { ROUTER_HTTP_IGNORE_PROBES: 'true' }),
    // The agent's own default is true.
    ROUTER_IDLE_CLOSE_ON_RESPONSE: `${spec.idleConnectionTerminationPolicy === 'Deferred'}`,
    ...(spec.closedClientConnectionPolicy === 'Abort' && { ROUTER_ABORT_ON_CLOSE: 'true' }),
    ...(mimeTypes.length > 0 && {
      ROUTER_ENABLE_COMPRESSION: 'true',
      ROUTER_COMPRESSION_MIME: mimeTypes.map(quoteMimeType).join(' '),
    }),
  };
}

/** OpenShift's operator separates the list with spaces. */
function quoteMimeType(type: string): string {
  const quoted = /[ \\"]/.test(type) ? quoteGo(type) : type;
  return quoted.replaceAll("'", "\\'");
}

function writeErrorPages({ spec, errorPages = ['503', '404'] }: VariableParts): Variables {
  if (!spec.httpErrorCodePages?.name) return {};
  return Object.fromEntries(
    errorPages.map((code) => [`ROUTER_ERRORFILE_${code}`, `${mountPaths.errorPages}/error-page-${code}.http`]),
  );
}
