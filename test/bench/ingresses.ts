import { HttpNode } from '../lab/http-node.ts';
import { service } from '../netns/ingress/http/objects.ts';
import { ingress, ingressClass } from '../netns/ingress/k8s-ingress/objects.ts';
import { formatTable, median } from './measure.ts';

const count = 10_000;
const perFile = 500;
const changes = 50;
const stats = { address: '127.0.0.1', port: 1936 };

/** 10,000 Ingresses through the whole agent: the first load, and one change after the other. */
export async function benchIngresses(): Promise<string> {
  const node = new HttpNode('erbi', { ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms', ROUTER_MAX_SHUTDOWN_TIMEOUT: '1s' });
  try {
    await node.up();
    await node.serve({ name: 'one', port: 8001 });
    await node.serve({ name: 'two', port: 8002 });
    node.write('services', ingressClass(), ...service('web', [8001]), ...service('other', [8002]));
    for (let first = 0; first < count; first += perFile) {
      const list = Array.from({ length: perFile }, (_, index) => makeIngress(first + index));
      node.write(`ingresses-${first}`, ...list);
    }
    const begin = performance.now();
    await node.start('--cleanup-on-exit');
    const ready = performance.now() - begin;
    const before = await countReloads(node);
    const rows = [];
    for (const [name, change] of kinds) {
      const times: number[] = [];
      for (let index = 0; index < changes; index++) times.push(await change(node, index));
      rows.push([name, median(times).toFixed(1), Math.max(...times).toFixed(1)]);
    }
    const reloads = (await countReloads(node)) - before;
    const head = ['from a changed file to the first correct answer', 'median, ms', `slowest of ${changes}, ms`];
    return `From the start of the process to serving ${count} Ingresses: ${(ready / 1000).toFixed(1)} s.\n\n${formatTable(head, rows)}\n\nReloads meanwhile: ${reloads}.`;
  } finally {
    await node.end('SIGTERM');
    node.down();
  }
}

function makeIngress(index: number): object {
  const namespace = `team-${index % 100}`;
  return ingress(`app-${index}`, { [`app-${index}.test`]: { '/': 'web', '/api': 'web' } }, { namespace, age: index });
}

type Change = (node: HttpNode, index: number) => Promise<number>;

/** Writes the only Ingress of a file, and measures until a request gets the wanted answer. */
async function measure(node: HttpNode, object: object | undefined, host: string, want: string): Promise<number> {
  const begin = performance.now();
  node.write('changed', ...(object === undefined ? [] : [object]));
  for (;;) {
    const { status, echo } = await node.ask('http', host, '/');
    if ((echo?.server ?? `${status}`) === want) return performance.now() - begin;
  }
}

const kinds: readonly (readonly [name: string, change: Change])[] = [
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

async function countReloads(node: HttpNode): Promise<number> {
  const { body } = await node.ask('http', 'localhost', '/metrics', stats);
  const lines = body.split('\n').filter((line) => /^egress_router_ingress_haproxy_reloads\w*(\{|\s)/.test(line));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
