import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathFor, pluginCommand, type Variant, variants } from '../lab/plugin.ts';
import { inNamespace } from '../netns/base/linux/wire.ts';
import { SmallWorld } from '../netns/egress/linux/world.ts';
import { formatTable, median, peakMemory, timeProcess } from './measure.ts';

const goPlugin = '/usr/lib/cni/macvlan';
/** OpenShift's egress-router-cni, built by hand; without it, only Go's macvlan is the measure. */
const rival = process.env.OPENSHIFT_EGRESS_ROUTER;
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

/** @param cniVersion OpenShift's plugin knows none later than 0.4.0 */
function routerConfig(rules: number, cniVersion = '1.0.0'): string {
  const destinations = Array.from(
    { length: rules },
    (_, index) => `${10_000 + index} TCP 203.0.113.${(index % 250) + 1} 80`,
  );
  return JSON.stringify({
    cniVersion,
    name: 'bench',
    type: 'egress-router',
    interfaceType: 'macvlan',
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
    // It starts iptables for each rule, so that 1,000 of them take minutes.
    ...(rival === undefined
      ? []
      : [
          {
            name: "OpenShift's egress-router, 3 rules",
            program: rival,
            config: routerConfig(3, '0.4.0'),
            path: '/usr/sbin:/usr/bin',
          },
        ]),
    ...variants.flatMap((variant: Variant) =>
      sizes.map((size) => ({
        name: `${size.toLocaleString('en')} rules, ${variant}`,
        program,
        config: routerConfig(size),
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
    const go = { add: median(figures[0]?.add ?? []), del: median(figures[0]?.del ?? []) };
    const rows = contestants.map(({ name }, index) => {
      const add = median(figures[index]?.add ?? []);
      const del = median(figures[index]?.del ?? []);
      const [addRatio, delRatio] = [(add / go.add).toFixed(2), (del / go.del).toFixed(2)];
      return [name, add.toFixed(1), addRatio, del.toFixed(1), delRatio, (memory[index] ?? 0).toFixed(0)];
    });
    return formatTable(['', 'ADD, ms', '÷ Go', 'DEL, ms', '÷ Go', 'peak memory of ADD, MiB'], rows);
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

/** A start alone, beside an empty program that is compiled the same way: the difference is what our modules cost. */
export function benchStart(): string {
  const [program] = pluginCommand();
  const config = JSON.stringify({ cniVersion: '1.0.0' });
  const folder = mkdtempSync(join(tmpdir(), 'erstart-'));
  try {
    const empty = compileEmpty(folder);
    const version = { CNI_COMMAND: 'VERSION' };
    const contestants: readonly [string, string, Readonly<Record<string, string>>][] = [
      ['an empty program, compiled the same way', empty, {}],
      ['egress-router without CNI_COMMAND', program, {}],
      ['egress-router, VERSION', program, version],
      ['Go `macvlan`, VERSION', goPlugin, version],
    ];
    const figures = contestants.map((): number[] => []);
    for (let round = 0; round < 15; round++) {
      for (const [index, [, path, environment]] of contestants.entries()) {
        figures[index]?.push(timeProcess(path, config, environment));
      }
    }
    const base = median(figures[0] ?? []);
    return formatTable(
      ['Start', 'ms', '÷ empty'],
      contestants.map(([name], index) => {
        const time = median(figures[index] ?? []);
        return [name, time.toFixed(1), (time / base).toFixed(2)];
      }),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Compiles a program that only ends, with the options that hack/build compiles the plugin with. */
function compileEmpty(folder: string): string {
  const source = join(folder, 'empty.ts');
  const executable = join(folder, 'empty');
  writeFileSync(source, 'process.exit(0);\n');
  const options = [
    '--compile',
    '--minify',
    '--bytecode',
    '--no-compile-autoload-dotenv',
    '--no-compile-autoload-bunfig',
  ];
  const plugin = ['--compile-exec-argv=--no-orphans', '--compile-jit-policy=10'];
  const bun = join('node_modules', '.bin', 'bun');
  execFileSync(bun, ['build', ...options, ...plugin, '--outfile', executable, source]);
  return executable;
}
