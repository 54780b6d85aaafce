/** The class of Gateways that the agent of a test serves. */
export const gatewayClass = 'ours';

/** What a test says about an object of the Gateway API; the rest is right and the same. */
export interface GatewayWords {
  readonly namespace?: string;
  /** Seconds after an arbitrary moment; older ones come first. */
  readonly age?: number;
  readonly parents?: readonly object[];
  readonly rules?: readonly object[];
}

function makeObject(kind: string, name: string, { namespace = 'shop', age = 0 }: GatewayWords, spec: object): object {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind,
    metadata: {
      namespace,
      name,
      uid: `${kind}-${namespace}-${name}`,
      creationTimestamp: new Date(Date.UTC(2026, 0, 1) + age * 1000).toISOString(),
    },
    spec,
  };
}

/** A listener for routes of all namespaces. */
export function listener(name: string, protocol: 'HTTP' | 'HTTPS' | 'TLS', port: number, more: object = {}): object {
  return { name, protocol, port, allowedRoutes: { namespaces: { from: 'All' } }, ...more };
}

/** TLS of a listener that ends in the router, with the certificate of a Secret of the Gateway's namespace. */
export function tlsOf(secret: string): object {
  return { tls: { mode: 'Terminate', certificateRefs: [{ name: secret }] } };
}

export function gateway(name: string, listeners: readonly object[], words: GatewayWords = {}): object {
  return makeObject('Gateway', name, { namespace: 'infra', ...words }, { gatewayClassName: gatewayClass, listeners });
}

/** A route of a kind for hosts; without rules, one for every request to port 80 of a Service. */
export function hostRoute(
  kind: 'HTTPRoute' | 'TLSRoute',
  name: string,
  hostnames: readonly string[],
  service: string,
  { parents = [{ namespace: 'infra', name: 'gw' }], rules, ...words }: GatewayWords = {},
): object {
  return makeObject(kind, name, words, {
    parentRefs: parents,
    ...(hostnames.length > 0 && { hostnames }),
    rules: rules ?? [{ backendRefs: [{ name: service, port: 80 }] }],
  });
}
