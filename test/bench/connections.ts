import type { Agent } from '../lab/agent-client.ts';
import { Lab } from '../lab/lab.ts';
import { addresses as at } from '../lab/names.ts';
import { variants } from '../lab/plugin.ts';
import { configure } from '../netns/egress/cni/configurations.ts';
import { formatTable, median } from './measure.ts';

const rules = 10_000;
const firstPort = 10_000;
const workers = 32;
const rounds = 5;
const milliseconds = 700;

const clients = Array.from({ length: workers }, (_, index) => `10.128.10.${100 + index}`);

/**
 * Whole connections a second, opened, answered and closed, by 32 workers with an address each: through
 * a router's first and last rule, and through a pod that is a plain router on the same way.
 */
export async function benchConnections(): Promise<string> {
  const lab = await makeLab('erbconn');
  const plain = await makeLab('erbplain');
  try {
    await routePlainly(plain);
    const agent = await lab.agent('near');
    const other = await plain.agent('near');
    const destinations = Array.from({ length: rules }, (_, index) => `${firstPort + index} TCP ${at.web[4]} 80`);
    const rows: string[][] = [];
    for (const variant of variants) {
      const added = await lab.plugin('ADD', configure([4], { destinations }), { variant });
      if (added.status !== 0) throw new Error(added.stdout);
      const figures = { direct: [] as number[], first: [] as number[], last: [] as number[] };
      for (let round = 0; round < rounds; round++) {
        figures.direct.push(await count(other, at.web[4], 80));
        figures.first.push(await count(agent, at.pod[4], firstPort));
        figures.last.push(await count(agent, at.pod[4], firstPort + rules - 1));
      }
      await lab.plugin('DEL', configure([4]), { variant });
      const [direct, first, last] = [median(figures.direct), median(figures.first), median(figures.last)];
      const shown = [direct, first, last].map((figure) => Math.round(figure).toLocaleString('en'));
      rows.push([variant, ...shown, (last / first).toFixed(2), (last / direct).toFixed(2)]);
    }
    return formatTable(['', 'no NAT, /s', 'rule 1, /s', 'rule 10,000, /s', 'last ÷ first', 'last ÷ no NAT'], rows);
  } finally {
    lab.down();
    plain.down();
  }
}

async function makeLab(prefix: string): Promise<Lab> {
  const lab = await Lab.up(prefix);
  await lab.serveOutside({ tcp: [80], udp: [] });
  await lab.ip('near', ...clients.map((client) => `address add ${client}/23 dev eth0`));
  return lab;
}

/** The same way as a router's, both ways, without a rule and without connection tracking. */
async function routePlainly(lab: Lab): Promise<void> {
  await lab.ip('node', `link add link eth1 name net1 netns ${lab.netns('pod')} type macvlan mode bridge`);
  await lab.ip(
    'pod',
    `address add ${at.reserved[4]}/24 dev net1`,
    'link set net1 up',
    `route replace default via ${at.gateway[4]}`,
  );
  await lab.run('pod', 'sysctl', ['-qw', 'net.ipv4.ip_forward=1']);
  await lab.ip('near', `route add ${at.web[4]} via ${at.pod[4]}`);
  await lab.ip('outside', `route add 10.128.10.0/24 via ${at.reserved[4]}`);
}

/** Connections a second that were answered. */
async function count(agent: Agent, host: string, port: number): Promise<number> {
  for (const from of clients) await agent.hammer(from, 'tcp', host, port, { from, timeout: 1000 });
  const begin = performance.now();
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  const reports = await Promise.all(clients.map((from) => agent.stopHammer(from)));
  const seconds = (performance.now() - begin) / 1000;
  const answered = reports.flatMap((report) => Object.entries(report)).filter(([outcome]) => outcome.includes(' '));
  return answered.reduce((sum, [, times]) => sum + times, 0) / seconds;
}
