import { HttpNode } from '../lab/http-node.ts';
import { route, service } from '../netns/ingress/http/objects.ts';
import { formatTable } from './measure.ts';

const routes = 40;
const networks = 15_000;
const statistics = { address: '127.0.0.1', port: 1936 } as const;

/** Allow-lists of one namespace, all rewritten at once, and what another namespace notices of it. */
export async function benchLongLists(): Promise<string> {
  const node = new HttpNode('erll');
  try {
    await node.up();
    await node.serve({ name: 'web', port: 8001 });
    node.write(
      'services',
      ...service('web', [8001], { namespace: 'large' }),
      ...service('web', [8001], { namespace: 'small' }),
    );
    writeLists(node, 0);
    await node.start('--cleanup-on-exit');
    const rows: string[][] = [];
    for (let round = 1; round <= 3; round++) rows.push(await rewrite(node, round));
    return formatTable(['', 'new Route answers after ms', 'slowest /healthz ms', 'all lists in force after ms'], rows);
  } finally {
    await node.end('SIGTERM');
    node.down();
  }
}

async function rewrite(node: HttpNode, round: number): Promise<string[]> {
  const begin = performance.now();
  let slowest = 0;
  let isOver = false;
  const probes = (async () => {
    while (!isOver) {
      const asked = performance.now();
      await node.ask('http', 'localhost', '/healthz', statistics);
      slowest = Math.max(slowest, performance.now() - asked);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  writeLists(node, round);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const added = performance.now();
  node.write(`small-${round}`, route(`new-${round}`, `new-${round}.test`, { namespace: 'small' }));
  await untilAnswers(node, `new-${round}.test`, 200);
  const answered = performance.now() - added;
  // Every list names another half of the networks in turn: the last Route refuses or admits this client.
  for (let i = 0; i < routes; i++) await untilAnswers(node, `list-${i}.test`, round % 2 === 0 ? 200 : 0);
  const all = performance.now() - begin;
  isOver = true;
  await probes;
  return [`round ${round}`, answered.toFixed(0), slowest.toFixed(0), all.toFixed(0)];
}

async function untilAnswers(node: HttpNode, host: string, status: number): Promise<void> {
  for (const deadline = Date.now() + 120_000; Date.now() < deadline; ) {
    if ((await node.ask('http', host, '/')).status === status) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`${host} did not answer with ${status}: ${node.log.slice(-2000)}`);
}

/** A file for each Route, as each is an event of its own in a cluster. */
function writeLists(node: HttpNode, round: number): void {
  for (const [i, object] of listed(round).entries()) node.write(`list-${i}`, object);
}

/** Different networks in every round; this client's own in every other. */
function listed(round: number): readonly object[] {
  return Array.from({ length: routes }, (_, i) => {
    const list = Array.from({ length: networks - 1 }, (_, n) => {
      const value = (n * 4099 + i * 131_071 + round * 65_537 * 7) % 0x6000000;
      return `${10 + (value >>> 24)}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
    });
    list.push(round % 2 === 0 ? '127.0.0.0/8' : '192.0.2.1');
    return route(`list-${i}`, `list-${i}.test`, {
      namespace: 'large',
      service: 'web',
      annotations: { ip_allowlist: list.join(' ') },
    });
  });
}
