import { clusterPaths as paths, ready } from '../cluster/lab/cluster.ts';
import { ControllerLab } from '../cluster/lab/controller-lab.ts';
import { makeRandom } from './random.ts';

/** What a run of the harness saw. */
export interface ControllerKillFigures {
  kills: number;
  /** EgressRouters that were written. */
  changes: number;
  /** Routers that had two pods at a time. */
  doubles: readonly string[];
  /** How the end differs from what the EgressRouters say; empty where it does not. */
  differences: readonly string[];
}

/** How a run goes. */
export interface ControllerKillOptions {
  readonly seconds: number;
  /** Begins the sequence of what is killed when. */
  readonly seed: number;
}

/** Milliseconds: longer than the Lease of a killed controller holds the next one up. */
const longestLife = 2000;
const names = ['a', 'b', 'c'] as const;

/**
 * Kills the controller's executable (SIGKILL) at random moments while EgressRouters with one to three
 * addresses change; the last one has to make exactly what they say, and no router may have two pods ever.
 */
export async function killController({ seconds, seed }: ControllerKillOptions): Promise<ControllerKillFigures> {
  const lab = new ControllerLab('executable');
  lab.cluster.podStatus = (pod) => ready(pod, addressesOf(lab, pod.metadata.annotations as Record<string, string>));
  const random = makeRandom(seed);
  const wanted = new Map<string, readonly string[]>();
  let [kills, changes] = [0, 0];
  const change = (): void => {
    const index = Math.floor(random() * names.length);
    const count = 1 + Math.floor(random() * 3);
    const addresses = Array.from({ length: count }, (_, one) => `192.168.12.${100 + index * 10 + one}`);
    const redirectRules = [{ destinationIP: '203.0.113.26', port: 8000 + ++changes, protocol: 'TCP' }];
    const spec = {
      addresses: addresses.map((ip) => ({ ip: `${ip}/24`, gateway: '192.168.12.1' })),
      redirect: { redirectRules },
    };
    lab.putRouter(names[index] ?? '', { spec, seconds: index });
    wanted.set(names[index] ?? '', addresses);
  };
  try {
    await lab.up();
    for (const end = Date.now() + seconds * 1000; Date.now() < end; kills++) {
      const controller = lab.start();
      const changing = [1, 2, 3].map(() => setTimeout(change, random() * longestLife));
      await sleep(random() * longestLife);
      controller.stop();
      for (const timer of changing) clearTimeout(timer);
    }
    change();
    lab.start();
    const expected = [...wanted.values()].flat().sort().join();
    let differences = ['not looked at'];
    for (const end = Date.now() + 15_000; Date.now() < end && differences.length > 0; await sleep(20))
      differences = findDifferences(lab, expected, [...wanted.keys()]);
    return { kills, changes, doubles: lab.cluster.doubles, differences };
  } finally {
    await lab.down();
  }
}

function findDifferences(lab: ControllerLab, expected: string, routers: readonly string[]): string[] {
  const pods = lab.server.all(paths.pods).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const served = pods.flatMap(({ metadata }) => addressesOf(lab, metadata.annotations as Record<string, string>));
  const conditions = routers.map((name) => lab.conditionsOf(name).join());
  const counts = [lab.names('definitions').length, lab.names('deployments').length].join();
  const count = expected.split(',').length;
  return [
    ...(served.sort().join() === expected ? [] : [`addresses ${served.join()} instead of ${expected}`]),
    ...(counts === `${count},${count}` ? [] : [`${counts} definitions and deployments instead of ${count}`]),
    ...conditions.filter((text) => !text.startsWith('Available=True RouterReady,Progressing=False')),
  ];
}

/** The addresses that the network of a pod asks for. */
function addressesOf(lab: ControllerLab, annotations: Readonly<Record<string, string>>): string[] {
  const [network] = JSON.parse(annotations['k8s.v1.cni.cncf.io/networks'] ?? '[]') as { name: string }[];
  const definition = lab.server.get(paths.definitions, `shop/${network?.name}`);
  const { config = '{}' } = (definition?.spec ?? {}) as { config?: string };
  const { ip } = JSON.parse(config) as { ip?: { addresses: string[] } };
  return (ip?.addresses ?? []).map((text) => text.split('/')[0] ?? '');
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
