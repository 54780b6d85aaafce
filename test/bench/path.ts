import { changeRules } from '../../src/egress/linux/rule-listing.ts';
import { compileEgress } from '../../src/egress/plan/rules.ts';
import { pathFor, variants } from '../lab/plugin.ts';
import { openingFrame } from '../netns/base/linux/frames.ts';
import { inNamespace } from '../netns/base/linux/wire.ts';
import { WirePair } from '../netns/base/linux/wire-pair.ts';
import { address } from '../unit/base/rules/examples.ts';
import { formatTable, median } from './measure.ts';

const rules = 10_000;
const firstPort = 10_000;
const packets = 20_000;
const rounds = 5;

/**
 * First packets of new connections, from many client addresses, through a router: sent on one wire
 * and seen on the other. The kernel's whole way is in it (tracking, marks, redirect, source), and no
 * server and no client that could be the slower one.
 */
export function benchPath(): string {
  const world = new WirePair('erbpath');
  const path = process.env.PATH ?? '';
  const rows: string[][] = [];
  try {
    for (const variant of variants) {
      process.env.PATH = `${pathFor(variant)}:${path}`;
      const backend = variant === 'nftables' ? 'nftables' : 'iptables';
      const program = compileEgress({
        owner: 'bench',
        egressLink: 'net1',
        podLinks: { 4: 'eth0' },
        reserved: [address('192.168.12.99')],
        redirects: {
          redirects: Array.from({ length: rules }, (_, index) => ({
            protocol: 'tcp' as const,
            port: firstPort + index,
            target: address(`203.0.113.${(index % 250) + 1}`),
          })),
          fallbacks: [],
        },
        slot: 1,
      });
      const plain: number[] = [];
      const first: number[] = [];
      const last: number[] = [];
      for (let round = 0; round < rounds; round++) {
        plain.push(measure(world, '203.0.113.1', firstPort));
        inNamespace(world.pod, () => changeRules(backend, undefined, program));
        try {
          first.push(measure(world, '10.128.10.18', firstPort));
          last.push(measure(world, '10.128.10.18', firstPort + rules - 1));
        } finally {
          inNamespace(world.pod, () => changeRules(backend, program, undefined));
        }
      }
      const [none, one, end] = [median(plain), median(first), median(last)];
      rows.push(
        [variant, none, one, end].map((figure) =>
          typeof figure === 'number' ? Math.round(figure).toLocaleString('en') : figure,
        ),
      );
      rows.at(-1)?.push((end / one).toFixed(2), (end / none).toFixed(2));
    }
  } finally {
    process.env.PATH = path;
    world.drop();
  }
  return formatTable(['', 'no NAT, /s', 'rule 1, /s', 'rule 10,000, /s', 'last ÷ first', 'last ÷ no NAT'], rows);
}

/** New connections a second. Throws where packets are lost. */
function measure(world: WirePair, destination: string, port: number): number {
  world.forgetConnections();
  const frames = Array.from({ length: packets }, (_, index) =>
    openingFrame(
      {
        source: address(`10.128.${10 + Math.floor(index / 60_000)}.${(index % 200) + 30}`),
        destination: address(destination),
        protocol: 'tcp',
        sourcePort: 20_000 + Math.floor(index / 200),
        port,
      },
      world.mac.client,
      world.mac.podInside,
    ),
  );
  const before = world.countOutside();
  const begin = process.hrtime.bigint();
  for (const frame of frames) world.inside.send(frame);
  for (let seen = 0; seen < packets * 0.999; seen = world.countOutside() - before) {
    if (Number(process.hrtime.bigint() - begin) > 20e9) throw new Error(`only ${seen} of ${packets} came through`);
  }
  return packets / (Number(process.hrtime.bigint() - begin) / 1e9);
}
