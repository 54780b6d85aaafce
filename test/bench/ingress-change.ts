import { setTimeout as sleep } from 'node:timers/promises';
import type { Agent } from '../lab/agent-client.ts';
import { endpointSlice, type KubernetesObject, route, service } from '../lab/manifests.ts';
import { addresses as at } from '../lab/names.ts';
import { Haproxy, listen } from './haproxy.ts';
import { IngressLab } from './ingress-lab.ts';
import { formatTable, median } from './measure.ts';

const created = '2026-01-01T00:00:00Z';
const changes = 40;
const others = 1000;
const firstOther = 20_000;
const servers = [at.pod[4], at.near[4]] as const;

/** From a changed file to the first connection that goes by it, beside a thousand other ports. */
export async function benchIngressChange(): Promise<string> {
  const world = await IngressLab.up('erbchg');
  const { lab, folder, manifests } = world;
  let haproxy: Haproxy | undefined;
  try {
    for (const host of ['pod', 'near'] as const) await (await lab.agent(host)).serve('tcp', at[host][4], 7000);
    const client = await lab.agent('outsider');
    const rest = Array.from({ length: others }, (_, index) => listen(firstOther + index, [`${at.pod[4]}:7000`])).join(
      '',
    );
    const sections = (server: string): string => listen(18081, [`${server}:7000`]) + rest;
    manifests.write(
      'others',
      ...Array.from({ length: others }, (_, index) =>
        route({ name: `r${index}`, port: 5000 + index, service: 'rest', created }),
      ),
      service('rest', 7000),
      endpointSlice('rest', 7000, [{ address: at.pod[4], node: 'node' }]),
    );
    const changed = (server: string): KubernetesObject[] => [
      route({ name: 'one', port: 18080, service: 'one', created }),
      service('one', 7000),
      endpointSlice('one', 7000, [{ address: server, node: 'node' }]),
    ];
    manifests.write('one', ...changed(servers[0]));
    haproxy = Haproxy.start(lab.netns('node'), `${folder}/node.cfg`, sections(servers[0]));
    world.startAgent('--stats-port', '0');
    for (const port of [18080, 18081]) await waitFor(client, port, servers[0]);
    const figures = { ours: [] as number[], haproxy: [] as number[] };
    for (let index = 1; index <= changes; index++) {
      const server = servers[index % 2] ?? servers[0];
      await sleep(100);
      figures.ours.push(await time(client, 18080, server, () => manifests.write('one', ...changed(server))));
      await sleep(100);
      figures.haproxy.push(await time(client, 18081, server, () => haproxy?.reload(sections(server))));
    }
    return show(figures);
  } finally {
    haproxy?.stop();
    world.down();
  }
}

/** Milliseconds from a change until a connection goes where it should. */
async function time(client: Agent, port: number, server: string, change: () => void): Promise<number> {
  const begin = performance.now();
  change();
  await waitFor(client, port, server);
  return performance.now() - begin;
}

async function waitFor(client: Agent, port: number, server: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await client.reach('tcp', at.node[4], port)).includes(` ${server} `)) {
    if (performance.now() > deadline) throw new Error(`port ${port} did not come to lead to ${server}`);
  }
}

function show({ ours, haproxy }: { readonly ours: readonly number[]; readonly haproxy: readonly number[] }): string {
  const last = (figures: readonly number[]): number =>
    figures.toSorted((one, other) => one - other).at(-1) ?? Number.NaN;
  const row = (name: string, figures: readonly number[]): string[] => [
    name,
    `${median(figures).toFixed(1)} (${(median(figures) / median(haproxy)).toFixed(2)})`,
    `${last(figures).toFixed(1)} (${(last(figures) / last(haproxy)).toFixed(2)})`,
  ];
  return formatTable(
    ['(÷ HAProxy)', 'median, ms', `slowest of ${changes}, ms`],
    [row('HAProxy, reload', haproxy), row('ingress-agent', ours)],
  );
}
