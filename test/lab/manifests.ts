import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A Kubernetes object, as far as the demo writes them. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly [key: string]: unknown;
  };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

/** What a Route of the demo says. */
interface RouteSketch {
  readonly name: string;
  readonly namespace?: string;
  readonly port: number;
  readonly service: string;
  readonly created: string;
  readonly allow?: string;
}

/** A Route that asks for a TCP port. */
export function route({ name, namespace = 'shop', port, service: to, created, allow }: RouteSketch): KubernetesObject {
  const prefix = 'haproxy.router.openshift.io';
  return {
    apiVersion: 'route.openshift.io/v1',
    kind: 'Route',
    metadata: {
      name,
      namespace,
      uid: `uid-${namespace}-${name}`,
      creationTimestamp: created,
      annotations: {
        [`${prefix}/external-tcp-port`]: `${port}`,
        ...(allow === undefined ? {} : { [`${prefix}/ip_whitelist`]: allow }),
      },
    },
    spec: { to: { kind: 'Service', name: to } },
  };
}

/** A Service with one port. */
export function service(name: string, port: number): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop' },
    spec: { ports: [{ name: 'main', protocol: 'TCP', port, targetPort: port }] },
  };
}

/** The endpoints of a Service. */
export function endpointSlice(
  name: string,
  port: number,
  endpoints: readonly { readonly address: string; readonly node: string }[],
): KubernetesObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-1`, namespace: 'shop', labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: 'main', protocol: 'TCP', port }],
    endpoints: endpoints.map(({ address, node }) => ({
      addresses: [address],
      nodeName: node,
      conditions: { ready: true, serving: true, terminating: false },
    })),
  };
}

/** A directory of manifests, each file written whole. */
export class Manifests {
  readonly directory: string;
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    this.directory = join(folder, 'manifests');
    mkdirSync(this.directory);
  }

  write(name: string, ...objects: KubernetesObject[]): void {
    // JSON is YAML; dashes separate documents.
    this.writeText(name, objects.map((object) => JSON.stringify(object, undefined, 1)).join('\n---\n'));
  }

  /** Writes a file as it is. */
  writeText(name: string, text: string): void {
    const temporary = join(this.#folder, `${name}.new`);
    writeFileSync(temporary, text);
    renameSync(temporary, join(this.directory, `${name}.yaml`));
  }

  /** Removes a file. */
  remove(name: string): void {
    rmSync(join(this.directory, `${name}.yaml`));
  }

  /** The reason that the agent gives in the status of a Route; of an admitted one there is none. */
  reasonOf(route: string): string {
    let text = '';
    try {
      text = readFileSync(`${this.directory}.status.json`, 'utf8');
    } catch {
      // There is none before the agent has looked.
    }
    const place = text.indexOf(`"${route}"`);
    return /"reason":\s*"(\w+)"/.exec(place < 0 ? '' : text.slice(place))?.[1] ?? 'nothing yet';
  }
}
