import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { clusterNames } from '../../../../src/base/kubernetes/names.ts';
import { executable } from '../../../lab/executable.ts';
import { addNamespaces, dropNamespaces, runIn, runIp } from '../../../lab/namespaces.ts';
import { asPrivileged } from '../../../lab/rights.ts';
import { inNamespace } from '../../../netns/base/linux/wire.ts';
import { until } from '../../../until.ts';
import { type KubeObject, TestApiServer } from '../../lab/api-server.ts';
import { gatewaySchemaPath, makeGatewaySchema } from '../../lab/gateway-schema.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';
import { Program } from '../../lab/program.ts';
import type { EchoAnswer, EchoCommand, ReceivedQuestion } from './echo-protocol.ts';
import { makePods, makeSlices, type PodObject } from './pods.ts';

/** The namespaces of the suite. */
const namespaces = ['gateway-conformance-infra', 'gateway-conformance-app-backend', 'gateway-conformance-web-backend'];

/** Paths of the lists by kind. */
const gateway = '/apis/gateway.networking.k8s.io/v1';
const paths: Readonly<Record<string, string>> = {
  Namespace: '/api/v1/namespaces',
  Node: '/api/v1/nodes',
  Pod: '/api/v1/pods',
  Service: '/api/v1/services',
  Event: '/api/v1/events',
  EndpointSlice: '/apis/discovery.k8s.io/v1/endpointslices',
  Deployment: '/apis/apps/v1/deployments',
  Lease: '/apis/coordination.k8s.io/v1/leases',
  Route: '/apis/route.openshift.io/v1/routes',
  GatewayClass: `${gateway}/gatewayclasses`,
  Gateway: `${gateway}/gateways`,
  ListenerSet: `${gateway}/listenersets`,
  HTTPRoute: `${gateway}/httproutes`,
  GRPCRoute: `${gateway}/grpcroutes`,
  TLSRoute: `${gateway}/tlsroutes`,
  TCPRoute: `${gateway}/tcproutes`,
  UDPRoute: `${gateway}/udproutes`,
  ReferenceGrant: `${gateway}/referencegrants`,
  BackendTLSPolicy: `${gateway}/backendtlspolicies`,
};

/** Secrets and ConfigMaps are read one by one, in the lists of their namespaces. */
const secretsOf = (namespace: string): string => `/api/v1/namespaces/${namespace}/secrets`;
const configMapsOf = (namespace: string): string => `/api/v1/namespaces/${namespace}/configmaps`;

const [nodeName, podsName, clientName] = ['ergcn', 'ergcp', 'ergcc'] as const;

/** A process in a namespace that serves pods or asks. */
class World {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: EchoAnswer) => void>();
  readonly ready: Promise<unknown>;
  #next = 1;

  constructor(netns: string) {
    const program = fileURLToPath(new URL('./echo-world.ts', import.meta.url));
    this.#child = spawn('ip', ['netns', 'exec', netns, process.execPath, program], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.ready = new Promise((resolve) => this.#waiting.set(0, resolve));
    this.#child.on('message', ({ id, answer }: { readonly id: number; readonly answer: EchoAnswer }) => {
      this.#waiting.get(id)?.(answer);
      this.#waiting.delete(id);
    });
  }

  ask(command: EchoCommand): Promise<EchoAnswer> {
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.send({ id, command });
    });
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

/**
 * A cluster for the conformance tests: the agent as built with a real HAProxy on a node that holds the addresses of a
 * pool, pods and a client in namespaces of their own, and the API server of the tests.
 */
export class GatewayLab {
  readonly #folder = mkdtempSync(join(tmpdir(), 'ergc-'));
  readonly #server = new TestApiServer(
    [...Object.values(paths), ...namespaces.map(secretsOf), ...namespaces.map(configMapsOf)],
    { address: 'any' },
  );
  readonly #pods: PodObject[] = [];
  #agent: Program | undefined;
  #outside: World | undefined;
  #client: World | undefined;
  #uid = 0;

  async up(): Promise<void> {
    const names = [nodeName, podsName, clientName];
    dropNamespaces(names);
    await addNamespaces(names);
    const links = [
      [podsName, '10.98.1'],
      [clientName, '10.98.0'],
    ] as const;
    await runIp(nodeName, [
      'link set lo up',
      ...links.flatMap(([name, net], index) => [
        `link add veth${index} type veth peer name eth0 netns ${name}`,
        `address add ${net}.1/24 dev veth${index}`,
        `link set veth${index} up`,
      ]),
      // The pool of virtual addresses, which the agent only uses.
      ...Array.from({ length: 100 }, (_, index) => `address add 10.98.0.${index + 100}/32 dev veth1`),
      'route add 10.244.0.0/16 via 10.98.1.2',
    ]);
    for (const [name, net] of links) {
      await runIp(name, [
        'link set lo up',
        `address add ${net}.2/24 dev eth0`,
        'link set eth0 up',
        `route add default via ${net}.1`,
      ]);
    }
    await runIp(
      podsName,
      Array.from({ length: 120 }, (_, index) => `address add 10.244.0.${index + 1}/32 dev lo`),
    );
    await runIn(nodeName, 'sysctl', ['-q', '-w', 'net.ipv4.ip_forward=1']);
    this.#outside = new World(podsName);
    this.#client = new World(clientName);
    await Promise.all([this.#outside.ready, this.#client.ready]);
    this.#server.documents.set(gatewaySchemaPath, makeGatewaySchema('experimental'));
    const kubeconfig = writeKubeconfig(this.#folder, await inNamespace(nodeName, () => this.#server.start()));
    this.apply('GatewayClass', {
      metadata: { name: 'conformance' },
      spec: { controllerName: clusterNames.gatewayController },
    });
    this.#start(kubeconfig);
  }

  #start(kubeconfig: string): void {
    const rights = asPrivileged('ingress/daemonset.yaml');
    const options = ['--kubeconfig', kubeconfig, '--node-name', 'n1', '--name', 'ergc'];
    const more = ['--haproxy-directory', join(this.#folder, 'haproxy'), '--cleanup-on-exit'];
    const gateways = ['--address-pool', 'lab=10.98.0.100-10.98.0.199', '--listener-ports', '61000-61063'];
    const command = [...rights, executable('ingress-agent'), ...options, ...more, ...gateways];
    this.#agent = new Program('/sbin/ip', ['netns', 'exec', nodeName, ...command], {
      ROUTER_SERVICE_HTTP_PORT: '80',
      ROUTER_SERVICE_HTTPS_PORT: '443',
      ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms',
      ROUTER_MAX_SHUTDOWN_TIMEOUT: '1s',
    });
  }

  async down(): Promise<void> {
    await this.#agent?.end('SIGTERM');
    this.#outside?.end();
    this.#client?.end();
    await this.#server.stop();
    dropNamespaces([nodeName, podsName, clientName]);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** What the agent has logged. */
  get log(): string {
    return this.#agent?.output ?? '';
  }

  /** Asks as a client outside. */
  ask(command: EchoCommand): Promise<EchoAnswer> {
    if (this.#client === undefined) throw new Error('The lab is not up');
    return this.#client.ask(command);
  }

  /** Returns how many requests with a URI the pods of a backend received. */
  async countReceived(question: ReceivedQuestion): Promise<number> {
    return (await this.#outside?.ask({ do: 'received', question }))?.count ?? 0;
  }

  /** Creates or changes an object, as an API server does: with generation, UID and defaults. */
  apply(kind: string, written: object): void {
    const { metadata, ...rest } = structuredClone(written) as KubeObject;
    const path = this.#pathOf(kind, metadata.namespace);
    const before = this.#server.get(path, keyOf(metadata));
    if (kind === 'Namespace')
      metadata.labels = { 'kubernetes.io/metadata.name': metadata.name, ...(metadata.labels as object) };
    const spec = withDefaults(rest.spec);
    const isChanged = before === undefined || JSON.stringify(before.spec) !== JSON.stringify(spec);
    const generation = ((before?.metadata.generation as number | undefined) ?? 0) + (isChanged ? 1 : 0);
    this.#server.put(path, {
      kind,
      ...rest,
      ...(spec !== undefined && { spec }),
      metadata: {
        ...metadata,
        uid: before?.metadata.uid ?? `uid-${++this.#uid}`,
        creationTimestamp: before?.metadata.creationTimestamp ?? `${new Date().toISOString().slice(0, 19)}Z`,
        generation,
      },
      ...(before?.status !== undefined && { status: before.status }),
    });
  }

  /** Starts the pods of Deployments, and keeps the EndpointSlices of all Services. */
  async run(deployments: readonly KubeObject[], services: readonly KubeObject[]): Promise<void> {
    const pods = makePods(deployments, this.#pods.length, (namespace, name) =>
      this.get('Secret', `${namespace}/${name}`),
    );
    this.#pods.push(...pods);
    const answer = await this.#outside?.ask({ do: 'serve', pods: pods.map(({ echo }) => echo) });
    if (answer?.error !== undefined) throw new Error(`Cannot serve the pods: ${answer.error}`);
    for (const service of services) {
      for (const slice of makeSlices(service, this.#pods)) this.apply('EndpointSlice', slice);
    }
  }

  /** Pods of a Deployment, `NAMESPACE/NAME`. */
  podsOf(deployment: string): readonly PodObject[] {
    return this.#pods.filter((pod) => pod.deployment === deployment);
  }

  remove(kind: string, key: string): void {
    this.#server.remove(this.#pathOf(kind, key.split('/')[0]), key);
  }

  get(kind: string, key: string): KubeObject | undefined {
    return this.#server.get(this.#pathOf(kind, key.split('/')[0]), key);
  }

  all(kind: string): readonly KubeObject[] {
    return this.#server.all(this.#pathOf(kind, undefined));
  }

  /** Waits until a look at the objects finds nothing wrong, with a look after every change. */
  async settle(look: () => string | undefined, longest = 20_000): Promise<void> {
    await until(
      () => look() === undefined,
      () => [look(), this.log.slice(-3000)],
      longest,
    );
  }

  #pathOf(kind: string, namespace: string | undefined): string {
    if (kind === 'Secret') return secretsOf(namespace ?? '');
    if (kind === 'ConfigMap') return configMapsOf(namespace ?? '');
    const path = paths[kind];
    if (path === undefined) throw new Error(`No such kind: ${kind}`);
    return path;
  }
}

function keyOf({ namespace, name }: KubeObject['metadata']): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** Defaults of the API's schemas that statuses repeat. */
function withDefaults(spec: unknown): unknown {
  const { parentRefs } = (spec ?? {}) as { parentRefs?: readonly object[] };
  if (parentRefs === undefined) return spec;
  const defaults = { group: 'gateway.networking.k8s.io', kind: 'Gateway' };
  return { ...(spec as object), parentRefs: parentRefs.map((one) => ({ ...defaults, ...one })) };
}
