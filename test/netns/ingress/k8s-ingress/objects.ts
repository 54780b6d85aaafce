/** What a test says about an Ingress; the rest is right and the same. */
export interface IngressWords {
  readonly namespace?: string;
  /** Seconds after an arbitrary moment; older ones come first. */
  readonly age?: number;
  /** Annotations below `nginx.ingress.kubernetes.io/`, or with their whole key. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Hosts and Secret of `spec.tls`. */
  readonly tls?: readonly object[];
  readonly className?: string | null;
  readonly defaultBackend?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Paths of a host: `/path` is a prefix, `=/path` exact, `~/path` implementation-specific. Values are Services. */
export type Paths = Readonly<Record<string, string | object>>;

const types = { '=': 'Exact', '~': 'ImplementationSpecific' } as const;

/** The IngressClass of this router. */
export function ingressClass(name = 'egress-router', isDefault = false): object {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IngressClass',
    metadata: { name, annotations: { 'ingressclass.kubernetes.io/is-default-class': `${isDefault}` } },
    spec: { controller: 'egress-router.io/ingress-agent' },
  };
}

/** An Ingress. The host `*` means every host. */
export function ingress(name: string, hosts: Readonly<Record<string, Paths>>, words: IngressWords = {}): object {
  const { namespace = 'shop', age = 0, annotations = {}, tls, className = 'egress-router', defaultBackend } = words;
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: {
      namespace,
      name,
      uid: `ingress-${namespace}-${name}`,
      creationTimestamp: new Date(Date.UTC(2026, 0, 1) + age * 1000).toISOString(),
      labels: words.labels ?? {},
      annotations: Object.fromEntries(
        Object.entries(annotations).map(([key, value]) => [
          key.includes('/') ? key : `nginx.ingress.kubernetes.io/${key}`,
          value,
        ]),
      ),
    },
    spec: {
      ...(className !== null && { ingressClassName: className }),
      ...(defaultBackend !== undefined && { defaultBackend: backend(defaultBackend) }),
      rules: Object.entries(hosts).map(([host, paths]) => ({
        ...(host !== '*' && { host }),
        http: { paths: Object.entries(paths).map(([path, target]) => makePath(path, target)) },
      })),
      ...(tls !== undefined && { tls }),
    },
  };
}

function makePath(path: string, target: string | object): object {
  const type = path.startsWith('=') || path.startsWith('~') ? types[path[0] as '=' | '~'] : 'Prefix';
  return {
    path: path.replace(/^[=~]/, ''),
    pathType: type,
    backend: typeof target === 'string' ? backend(target) : target,
  };
}

function backend(service: string): object {
  return { service: { name: service, port: { number: 80 } } };
}
