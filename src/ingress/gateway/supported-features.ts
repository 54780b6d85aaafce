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
  'HTTPRouteHostRewrite',
  'HTTPRouteMethodMatching',
  'HTTPRouteNamedRouteRule',
  'HTTPRouteParentRefPort',
  'HTTPRoutePathRedirect',
  'HTTPRoutePathRewrite',
  'HTTPRoutePortRedirect',
  'HTTPRouteQueryParamMatching',
  'HTTPRouteResponseHeaderModification',
  'HTTPRouteSchemeRedirect',
  'TLSRoute',
  'TLSRouteModeMixed',
  'TLSRouteModeTerminate',
] as const;
