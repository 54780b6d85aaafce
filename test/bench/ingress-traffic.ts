import { setTimeout as sleep } from 'node:timers/promises';
import { endpointSlice, route, service } from '../lab/manifests.ts';
import { addresses as at } from '../lab/names.ts';
import { answer, Haproxy, listen } from './haproxy.ts';
import { IngressLab } from './ingress-lab.ts';
import { formatTable, median } from './measure.ts';

const created = '2026-01-01T00:00:00Z';
const rounds = 5;
const seconds = 2;
const clients = 40;

interface Contestant {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly bulkPort: number;
}

const contestants: readonly Contestant[] = [
  { name: 'no hop: the endpoint itself', host: at.pod[4], port: 8080, bulkPort: 5201 },
  { name: 'HAProxy, TCP mode', host: at.node[4], port: 18081, bulkPort: 15202 },
  { name: 'ingress-agent', host: at.node[4], port: 18080, bulkPort: 15201 },
];

interface Figures {
  readonly bulk: number[];
  readonly requests: number[];
  readonly slowest: number[];
  readonly connections: number[];
}

/** Bulk bytes, requests on kept connections and new connections, to an endpoint on the node, by each way in turn. */
export async function benchIngressTraffic(): Promise<string> {
  const world = await IngressLab.up('erbing');
  const { lab, folder } = world;
  const running: Haproxy[] = [];
  try {
    await giveManyAddresses(world);
    // With a thread a processor, endpoint and client would wait for each other's time slices.
    running.push(Haproxy.start(lab.netns('pod'), `${folder}/pod.cfg`, answer(8080), 1));
    await lab.run('pod', '/usr/bin/iperf3', ['-s', '-D']);
    const sections = listen(18081, [`${at.pod[4]}:8080`]) + listen(15202, [`${at.pod[4]}:5201`]);
    running.push(Haproxy.start(lab.netns('node'), `${folder}/node.cfg`, sections));
    for (const [name, port, target] of [
      ['web', 18080, 8080],
      ['bulk', 15201, 5201],
    ] as const) {
      const endpoints = [{ address: at.pod[4], node: 'node' }];
      world.manifests.write(
        name,
        route({ name, port, service: name, created }),
        service(name, target),
        endpointSlice(name, target, endpoints),
      );
    }
    world.startAgent('--stats-port', '0');
    await sleep(2000);
    const figures = contestants.map((): Figures => ({ bulk: [], requests: [], slowest: [], connections: [] }));
    for (let round = 0; round < rounds; round++) {
      for (const [index, contestant] of contestants.entries())
        await measure(world, contestant, figures[index] as Figures);
    }
    return showFigures(figures);
  } finally {
    for (const one of running) one.stop();
    world.down();
  }
}

/** Every connection of the outsider comes from another of its addresses, as from many clients. */
async function giveManyAddresses({ lab }: IngressLab): Promise<void> {
  // The lab's own way to the cluster is a trap for wrong sources.
  await lab.ip('outsider', 'route delete 10.128.0.0/14', `route add default via ${at.node[4]}`);
  const addresses = Array.from({ length: clients }, (_, index) => `192.168.12.${150 + index}`);
  await lab.ip('outsider', ...addresses.map((address) => `address add ${address}/24 dev eth0`));
  const map = addresses.map((address, index) => `${index} : ${address}`).join(', ');
  await lab.run('outsider', 'sysctl', ['-qw', 'net.ipv4.ip_local_port_range=1024 65535', 'net.ipv4.tcp_tw_reuse=1']);
  await lab.run(
    'outsider',
    'nft',
    ['-f', '-'],
    `table ip bench {\nchain out {\ntype nat hook postrouting priority 100\nsnat to numgen inc mod ${clients} map { ${map} }\n}\n}\n`,
  );
}

async function measure(world: IngressLab, { host, port, bulkPort }: Contestant, figures: Figures): Promise<void> {
  const { lab } = world;
  const bulk = await lab.run('outsider', '/usr/bin/iperf3', [
    '-c',
    host,
    '-p',
    `${bulkPort}`,
    '-t',
    `${seconds}`,
    '-J',
  ]);
  const report = JSON.parse(bulk) as { end: { sum_received: { bits_per_second: number } } };
  figures.bulk.push(report.end.sum_received.bits_per_second / 1e9);
  const wrk = ['-t', '1', '-c', '32', '-d', `${seconds}`, '--latency'];
  const kept = await lab.run('outsider', '/usr/bin/wrk', [...wrk, `http://${host}:${port}/`]);
  figures.requests.push(readRate(kept));
  figures.slowest.push(readSlowest(kept));
  const closed = await lab.run('outsider', '/usr/bin/wrk', [
    ...wrk,
    '-H',
    'Connection: close',
    `http://${host}:${port}/`,
  ]);
  figures.connections.push(readRate(closed));
}

function readRate(report: string): number {
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(report)?.[1]);
  if (!(rate > 0)) throw new Error(`wrk could not measure: ${report}`);
  return rate;
}

/** Milliseconds in which 99 of 100 requests were answered. */
function readSlowest(report: string): number {
  const [, figure, unit] = /99%\s+([\d.]+)(us|ms|s)/.exec(report) ?? [];
  return Number(figure) * (unit === 'us' ? 0.001 : unit === 's' ? 1000 : 1);
}

function showFigures(all: readonly Figures[]): string {
  const medians = all.map(({ bulk, requests, slowest, connections }) =>
    [bulk, requests, slowest, connections].map(median),
  );
  const haproxy = medians[1] ?? [];
  const rows = medians.map((figures, index) => {
    const cells = figures.map((figure, column) => {
      const ratio = (figure / (haproxy[column] ?? Number.NaN)).toFixed(2);
      const shown = column === 0 || column === 2 ? figure.toFixed(2) : Math.round(figure).toLocaleString('en');
      return `${shown} (${ratio})`;
    });
    return [contestants[index]?.name ?? '', ...cells];
  });
  const head = [
    '(÷ HAProxy)',
    'bulk, Gbit/s',
    'requests on 32 kept connections, /s',
    'their p99, ms',
    'new connections, /s',
  ];
  return formatTable(head, rows);
}
