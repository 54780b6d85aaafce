import { HttpNode } from '../lab/http-node.ts';
import { gateway, gatewayClass, hostRoute, listener } from '../netns/ingress/http/gateway-objects.ts';
import { service } from '../netns/ingress/http/objects.ts';
import { ingress, ingressClass } from '../netns/ingress/k8s-ingress/objects.ts';
import { cpuOf, formatTable, median } from './measure.ts';

const count = 10_000;
const perFile = 500;
const repetitions = 50;
const stats = { address: '127.0.0.1', port: 1936 };

/** What is loaded and changed. */
interface Subject {
  readonly name: string;
  /** Objects besides the 10,000. */
  readonly others: readonly object[];
  readonly make: (index: number) => object;
  readonly changes: readonly (readonly [name: string, change: Change])[];
  readonly options: readonly string[];
}

/** 10,000 Ingresses through the whole agent: the first load, and one change after the other. */
export async function benchIngresses(): Promise<string> {
  return await benchLoad({
    name: 'Ingresses',
    others: [ingressClass()],
    make: (index) => ingress(`app-${index}`, { [`app-${index}.test`]: { '/': 'web', '/api': 'web' } }, placeOf(index)),
    changes: ingressChanges,
    options: [],
  });
}

/** The same with 10,000 HTTPRoutes of one Gateway, each with a host and two rules. */
export async function benchHttpRoutes(): Promise<string> {
  return await benchLoad({
    name: 'HTTPRoutes',
    others: [gateway('gw', [listener('http', 'HTTP', 80)])],
    make: (index) =>
      hostRoute('HTTPRoute', `app-${index}`, [`app-${index}.test`], 'web', {
        ...placeOf(index),
        rules: rulesFor('web'),
      }),
    changes: routeChanges,
    options: ['--gateway-class', gatewayClass, '--listener-ports', '61000-61063'],
  });
}

/** The namespace and the age of an object. */
function placeOf(index: number): { readonly namespace: string; readonly age: number } {
  return { namespace: `team-${index % 100}`, age: index };
}

function rulesFor(name: string): readonly object[] {
  const ofPath = (value: string) => ({
    matches: [{ path: { type: 'PathPrefix', value } }],
    backendRefs: [{ name, port: 80 }],
  });
  return [ofPath('/'), ofPath('/api')];
}

async function benchLoad({ name, others, make, changes, options }: Subject): Promise<string> {
  const node = new HttpNode('erbi', { ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms', ROUTER_MAX_SHUTDOWN_TIMEOUT: '1s' });
  try {
    await node.up();
    await node.serve({ name: 'one', port: 8001 });
    await node.serve({ name: 'two', port: 8002 });
    const services = Array.from({ length: 100 }, (_, index) => service('web', [8001], { namespace: `team-${index}` }));
    node.write('services', ...others, ...services.flat(), ...service('web', [8001]), ...service('other', [8002]));
    for (let first = 0; first < count; first += perFile) {
      const list = Array.from({ length: perFile }, (_, index) => make(first + index));
      node.write(`objects-${first}`, ...list);
    }
    const begin = performance.now();
    await node.start('--cleanup-on-exit', ...options);
    const ready = performance.now() - begin;
    const cpu = cpuOf(node.agentPid);
    const before = await countReloads(node);
    const rows = [];
    for (const [what, change] of changes) {
      const times: number[] = [];
      for (let index = 0; index < repetitions; index++) times.push(await change(node, index));
      rows.push([what, median(times).toFixed(1), Math.max(...times).toFixed(1)]);
    }
    const reloads = (await countReloads(node)) - before;
    const head = ['from a changed file to the first correct answer', 'median, ms', `slowest of ${repetitions}, ms`];
    const load = `From the start of the process to serving ${count} ${name}: ${(ready / 1000).toFixed(1)} s`;
    return `${load}, ${(cpu / 1000).toFixed(1)} s of CPU without HAProxy.\n\n${formatTable(head, rows)}\n\nReloads meanwhile: ${reloads}.`;
  } finally {
    await node.end('SIGTERM');
    node.down();
  }
}

type Change = (node: HttpNode, index: number) => Promise<number>;

/** Writes the only object of a file, and measures until a request gets the wanted answer. */
async function measure(node: HttpNode, object: object | undefined, host: string, want: string): Promise<number> {
  const begin = performance.now();
  node.write('changed', ...(object === undefined ? [] : [object]));
  for (;;) {
    const { status, echo } = await node.ask('http', host, '/');
    if ((echo?.server ?? `${status}`) === want) return performance.now() - begin;
  }
}

const ingressChanges: Subject['changes'] = [
  [
    'a new Ingress',
    (node, index) =>
      measure(node, ingress('new', { [`new-${index}.test`]: { '/': 'web' } }), `new-${index}.test`, 'one'),
  ],
  [
    'another Service',
    (node, index) => {
      const isOdd = index % 2 === 1;
      const object = ingress('moved', { 'moved.test': { '/': isOdd ? 'web' : 'other' } });
      return measure(node, object, 'moved.test', isOdd ? 'one' : 'two');
    },
  ],
  [
    'an allow-list',
    (node, index) => {
      const isOpen = index % 2 === 1;
      const annotations = { 'whitelist-source-range': isOpen ? '127.0.0.0/8' : '192.0.2.1' };
      const object = ingress('listed', { 'listed.test': { '/': 'web' } }, { annotations });
      return measure(node, object, 'listed.test', isOpen ? 'one' : '403');
    },
  ],
];

const routeChanges: Subject['changes'] = [
  [
    'a new HTTPRoute',
    (node, index) => {
      const host = `new-${index}.test`;
      return measure(node, hostRoute('HTTPRoute', 'new', [host], 'web'), host, 'one');
    },
  ],
  [
    'another Service',
    (node, index) => {
      const isOdd = index % 2 === 1;
      const object = hostRoute('HTTPRoute', 'moved', ['moved.test'], isOdd ? 'web' : 'other');
      return measure(node, object, 'moved.test', isOdd ? 'one' : 'two');
    },
  ],
];

async function countReloads(node: HttpNode): Promise<number> {
  const { body } = await node.ask('http', 'localhost', '/metrics', stats);
  const lines = body.split('\n').filter((line) => /^egress_router_ingress_haproxy_reloads\w*(\{|\s)/.test(line));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
