/**
 * Features of the Gateway API (`pkg/features` in its repository) whose conformance tests pass with an agent that
 * serves ports.
 */
export const portFeatures = [
  'Gateway',
  'GatewayAddressEmpty',
  'GatewayStaticAddresses',
  'ListenerSet',
  'ReferenceGrant',
  'TCPRoute',
  'UDPRoute',
] as const;

/** Features whose conformance tests pass with an agent that also serves hosts. */
export const siteFeatures = [
  'BackendTLSPolicy',
  'GRPCRoute',
  'GRPCRouteNamedRouteRule',
  'GatewayBackendClientCertificate',
  'GatewayFrontendClientCertificateValidation',
  'GatewayFrontendClientCertificateValidationInsecureFallback',
  'GatewayHTTPListenerIsolation',
  'GatewayHTTPSListenerDetectMisdirectedRequests',
  'GatewayPort8080',
  'HTTPRoute',
  'HTTPRoute303RedirectStatusCode',
  'HTTPRoute307RedirectStatusCode',
  'HTTPRoute308RedirectStatusCode',
  'HTTPRouteBackendProtocolH2C',
  'HTTPRouteBackendProtocolWebSocket',
  'HTTPRouteBackendRequestHeaderModification',
  'HTTPRouteBackendTimeout',
  'HTTPRouteCORS',
  'HTTPRouteDestinationPortMatching',
  'HTTPRouteHostRewrite',
  'HTTPRouteMethodMatching',
  'HTTPRouteNamedRouteRule',
  'HTTPRouteParentRefPort',
  'HTTPRoutePathRedirect',
  'HTTPRoutePathRewrite',
  'HTTPRoutePortRedirect',
  'HTTPRouteQueryParamMatching',
  'HTTPRouteRequestMirror',
  'HTTPRouteRequestMultipleMirrors',
  'HTTPRouteRequestPercentageMirror',
  'HTTPRouteRequestTimeout',
  'HTTPRouteResponseHeaderModification',
  'HTTPRouteRetry',
  'HTTPRouteRetryBackendTimeout',
  'HTTPRouteRetryConnectionError',
  'HTTPRouteSchemeRedirect',
  'TLSRoute',
  'TLSRouteModeMixed',
  'TLSRouteModeTerminate',
] as const;

/** A field of a kind of the Gateway API, as names from the root of the object. Lists have no name of their own. */
export interface SchemaField {
  readonly kind: 'HTTPRoute' | 'GRPCRoute' | 'Gateway';
  readonly path: readonly string[];
  /** Whether only the experimental channel of the CRDs has it, so that a cluster may well lack it. */
  readonly isExperimental?: true;
}

const retry: SchemaField = { kind: 'HTTPRoute', path: ['spec', 'rules', 'retry'], isExperimental: true };
const frontend: SchemaField = { kind: 'Gateway', path: ['spec', 'tls', 'frontend'] };

/**
 * The field without which a feature cannot be used: the API server drops fields that its CRDs lack without an error.
 * Features that every supported release and channel has are not listed.
 */
export const fieldOfFeature: ReadonlyMap<string, SchemaField> = new Map<
  (typeof portFeatures | typeof siteFeatures)[number],
  SchemaField
>([
  ['HTTPRouteRetry', retry],
  ['HTTPRouteRetryBackendTimeout', retry],
  ['HTTPRouteRetryConnectionError', retry],
  ['HTTPRouteCORS', { kind: 'HTTPRoute', path: ['spec', 'rules', 'filters', 'cors'] }],
  ['HTTPRouteNamedRouteRule', { kind: 'HTTPRoute', path: ['spec', 'rules', 'name'] }],
  [
    'HTTPRouteRequestPercentageMirror',
    { kind: 'HTTPRoute', path: ['spec', 'rules', 'filters', 'requestMirror', 'percent'] },
  ],
  ['GRPCRouteNamedRouteRule', { kind: 'GRPCRoute', path: ['spec', 'rules', 'name'] }],
  ['GatewayBackendClientCertificate', { kind: 'Gateway', path: ['spec', 'tls', 'backend', 'clientCertificateRef'] }],
  ['GatewayFrontendClientCertificateValidation', frontend],
  ['GatewayFrontendClientCertificateValidationInsecureFallback', frontend],
]);
