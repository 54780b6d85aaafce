import { pathFor, pluginCommand, type Variant, variants } from '../lab/plugin.ts';
import { inNamespace } from '../netns/base/linux/wire.ts';
import { SmallWorld } from '../netns/egress/linux/world.ts';
import { formatTable, median, peakMemory, timeProcess } from './measure.ts';

const goPlugin = '/usr/lib/cni/macvlan';
const rounds = 9;
const sizes = [3, 1_000, 10_000] as const;

const goConfig = JSON.stringify({
  cniVersion: '0.4.0',
  name: 'bench',
  type: 'macvlan',
  master: 'eth1',
  mode: 'bridge',
  ipam: { type: 'static', addresses: [{ address: '192.168.12.99/24', gateway: '192.168.12.1' }] },
});

function ourConfig(rules: number): string {
  const destinations = Array.from(
    { length: rules },
    (_, index) => `${10_000 + index} TCP 203.0.113.${(index % 250) + 1} 80`,
  );
  return JSON.stringify({
    cniVersion: '1.0.0',
    name: 'bench',
    type: 'egress-router',
    interfaceArgs: { master: 'eth1' },
    ip: { addresses: ['192.168.12.99/24'], gateway: '192.168.12.1', destinations },
  });
}

interface Contestant {
  readonly name: string;
  readonly program: string;
  readonly config: string;
  readonly path: string;
}

/** ADD and DEL of each contestant in turn, each in a namespace that was just made. */
export function benchAttach(): string {
  const world = new SmallWorld('erbench');
  const [program] = pluginCommand();
  const contestants: Contestant[] = [
    { name: 'Go `macvlan`, static address, no rules', program: goPlugin, config: goConfig, path: '/usr/sbin:/usr/bin' },
    ...variants.flatMap((variant: Variant) =>
      sizes.map((size) => ({
        name: `${size.toLocaleString('en')} rules, ${variant}`,
        program,
        config: ourConfig(size),
        path: pathFor(variant),
      })),
    ),
  ];
  const figures = contestants.map(() => ({ add: [] as number[], del: [] as number[] }));
  try {
    for (let round = 0; round < rounds; round++) {
      for (const [index, contestant] of contestants.entries()) {
        const { add, del } = runOnce(world, contestant);
        figures[index]?.add.push(add);
        figures[index]?.del.push(del);
      }
    }
    const memory = contestants.map((contestant) => runForMemory(world, contestant));
    const go = median(figures[0]?.add ?? []);
    const rows = contestants.map(({ name }, index) => {
      const add = median(figures[index]?.add ?? []);
      const del = median(figures[index]?.del ?? []);
      return [name, add.toFixed(1), (add / go).toFixed(2), del.toFixed(1), (memory[index] ?? 0).toFixed(0)];
    });
    return formatTable(['', 'ADD, ms', '÷ Go', 'DEL, ms', 'peak memory of ADD, MiB'], rows);
  } finally {
    world.drop();
  }
}

function environment(world: SmallWorld, command: string, path: string): Record<string, string> {
  return {
    PATH: path,
    CNI_COMMAND: command,
    CNI_CONTAINERID: 'erbench-1',
    CNI_NETNS: world.netns,
    CNI_IFNAME: 'net1',
    CNI_PATH: '/usr/lib/cni',
  };
}

function runOnce(world: SmallWorld, { program, config, path }: Contestant): { add: number; del: number } {
  world.make();
  return inNamespace(world.node, () => ({
    add: timeProcess(program, config, environment(world, 'ADD', path)),
    del: timeProcess(program, config, environment(world, 'DEL', path)),
  }));
}

function runForMemory(world: SmallWorld, { program, config, path }: Contestant): number {
  world.make();
  return inNamespace(world.node, () => {
    const memory = peakMemory(program, config, environment(world, 'ADD', path));
    timeProcess(program, config, environment(world, 'DEL', path));
    return memory;
  });
}

/** An empty run of each executable: what a start alone costs. */
export function benchStart(): string {
  const [program] = pluginCommand();
  const config = JSON.stringify({ cniVersion: '1.0.0' });
  const ours: number[] = [];
  const go: number[] = [];
  for (let round = 0; round < 15; round++) {
    ours.push(timeProcess(program, config, { CNI_COMMAND: 'VERSION' }));
    go.push(timeProcess(goPlugin, config, { CNI_COMMAND: 'VERSION' }));
  }
  return formatTable(
    ['VERSION', 'ms'],
    [
      ['egress-router', median(ours).toFixed(1)],
      ['Go `macvlan`', median(go).toFixed(1)],
    ],
  );
}
