/**
 * Features of the Gateway API (`pkg/features` of its repository) whose conformance tests pass with an agent that
 * serves ports.
 */
export const portFeatures = ['Gateway', 'ReferenceGrant', 'TCPRoute', 'UDPRoute'] as const;

/** Features whose conformance tests pass with an agent that also serves hosts. */
export const siteFeatures = ['GRPCRoute', 'HTTPRoute', 'TLSRoute'] as const;
