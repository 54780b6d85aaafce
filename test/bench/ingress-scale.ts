import { setTimeout as sleep } from 'node:timers/promises';
import { type KubeObject, TestApiServer } from '../cluster/lab/api-server.ts';
import { writeKubeconfig } from '../cluster/lab/kubeconfig.ts';
import { endpointSlice, route, service } from '../lab/manifests.ts';
import { throughoutInNamespace } from '../netns/base/linux/wire.ts';
import { Haproxy, listen, memoryOf, processorTimeOf } from './haproxy.ts';
import { IngressLab } from './ingress-lab.ts';
import { formatTable, median } from './measure.ts';

const created = '2026-01-01T00:00:00Z';
const routes = 10_000;
/** HAProxy holds every port twice while it reloads; machines that allow 20,000 open files cannot do more. */
const haproxyRoutes = 5_000;
const endpointsOfEach = 10;
const firstPort = 11_000;
const changes = 20;
const restSeconds = 5;
const statsPort = 9936;

const paths = {
  routes: '/apis/route.openshift.io/v1/routes',
  services: '/api/v1/services',
  slices: '/apis/discovery.k8s.io/v1/endpointslices',
};
const others = ['/api/v1/namespaces', '/apis/coordination.k8s.io/v1/leases', '/api/v1/events'];

/** 10,000 Routes with 100,000 endpoints: from an API server to the kernel, and as HAProxy's configuration. */
export async function benchIngressScale(): Promise<string> {
  const world = await IngressLab.up('erbscale');
  try {
    const bySource = await measureAgent(world, 'source');
    const inTurn = await measureAgent(world, 'roundrobin');
    const haproxy = await measureHaproxy(world);
    const row = (name: string, figures: readonly number[]): string[] => [
      name,
      ...figures.map((figure) => (figure < 100 ? figure.toFixed(1) : Math.round(figure).toLocaleString('en'))),
    ];
    const head = [
      '',
      'first load, ms',
      'one change, ms',
      'slowest of 20, ms',
      'memory, MiB',
      'at rest, ms of CPU a second',
    ];
    return formatTable(head, [
      row(`HAProxy, from its file, ${haproxyRoutes.toLocaleString('en')} of them`, haproxy),
      row('ingress-agent, by source (the default), after the last list', bySource),
      row('ingress-agent, in turn, after the last list', inTurn),
    ]);
  } finally {
    world.down();
  }
}

function addressOf(index: number, endpoint: number): string {
  const number = index * endpointsOfEach + endpoint;
  return `10.${140 + (number >> 16)}.${(number >> 8) & 0xff}.${number & 0xff}`;
}

function sliceOf(index: number, size: number): KubeObject {
  const endpoints = Array.from({ length: size }, (_, endpoint) => ({
    address: addressOf(index, endpoint),
    node: `node${(index + endpoint) % 100}`,
  }));
  return endpointSlice(`r${index}`, 8080, endpoints) as unknown as KubeObject;
}

async function measureAgent(world: IngressLab, balance: string): Promise<number[]> {
  const netns = world.lab.netns('node');
  const server = new TestApiServer([...Object.values(paths), ...others]);
  for (let index = 0; index < routes; index++) {
    const name = `r${index}`;
    const claim = route({ name, port: firstPort + index, service: name, created });
    server.put(paths.routes, {
      ...claim,
      spec: { ...claim.spec, port: { targetPort: 8080 } },
    } as unknown as KubeObject);
    server.put(paths.services, service(name, 8080) as unknown as KubeObject);
    server.put(paths.slices, sliceOf(index, endpointsOfEach));
  }
  server.compact();
  const url = await throughoutInNamespace(netns, () => server.start());
  try {
    const kubeconfig = writeKubeconfig(world.folder, url);
    world.startAgent('--kubeconfig', kubeconfig, '--stats-port', `${statsPort}`, '--balance', balance);
    const load = await nextDelay(netns, 0, 0);
    // It tells 10,000 Routes their status, which takes a while.
    for (let seen = -1; seen !== server.requests.length; await sleep(2000)) seen = server.requests.length;
    const figures: number[] = [];
    let before = load;
    for (let index = 0; index < changes; index++) {
      const which = 5000 + (index >> 1);
      server.put(paths.slices, sliceOf(which, index % 2 === 0 ? endpointsOfEach - 1 : endpointsOfEach));
      // To ask while it works would make it wait.
      await sleep(300);
      const after = await nextDelay(netns, before.count, before.sum);
      figures.push(after.sum - before.sum);
      before = after;
    }
    await sleep(2000);
    return [load.sum, median(figures), Math.max(...figures), memoryOf(world.agentPid), await restOf(world.agentPid)];
  } finally {
    await server.stop();
    world.stopAgent();
  }
}

/** The agent's own histogram of the time from an event to its rules in force, when another change is in it; ms. */
async function nextDelay(netns: string, count: number, sum: number): Promise<{ count: number; sum: number }> {
  const deadline = performance.now() + 60_000;
  while (performance.now() < deadline) {
    const text = await throughoutInNamespace(netns, async () => {
      const response = await fetch(`http://127.0.0.1:${statsPort}/metrics`).catch(() => undefined);
      return (await response?.text()) ?? '';
    });
    const now = Number(/change_delay_seconds_count (\d+)/.exec(text)?.[1] ?? 0);
    const total = Number(/change_delay_seconds_sum ([\d.]+)/.exec(text)?.[1] ?? 0) * 1000;
    if (now > count && total > sum) return { count: now, sum: total };
    await sleep(20);
  }
  throw new Error('the change is not in force after a minute');
}

async function restOf(pid: number): Promise<number> {
  const before = processorTimeOf(pid);
  await sleep(restSeconds * 1000);
  return (processorTimeOf(pid) - before) / restSeconds;
}

async function measureHaproxy({ lab, folder }: IngressLab): Promise<number[]> {
  const write = (changed: number): string =>
    Array.from({ length: haproxyRoutes }, (_, index) =>
      listen(
        firstPort + index,
        Array.from(
          { length: index === changed ? endpointsOfEach - 1 : endpointsOfEach },
          (_one, endpoint) => `${addressOf(index, endpoint)}:8080`,
        ),
      ),
    ).join('');
  const begin = performance.now();
  const haproxy = Haproxy.start(lab.netns('node'), `${folder}/many.cfg`, write(-1));
  try {
    await waitForWorker(haproxy, undefined);
    const load = performance.now() - begin;
    const figures: number[] = [];
    for (let index = 0; index < 5; index++) {
      const text = write(index);
      // A master that has only just started its worker does not hear yet.
      await sleep(1000);
      const start = performance.now();
      const old = haproxy.worker;
      haproxy.reload(text);
      await waitForWorker(haproxy, old);
      figures.push(performance.now() - start);
    }
    await sleep(1000);
    return [load, median(figures), Math.max(...figures), memoryOf(haproxy.pid), await restOf(haproxy.pid)];
  } finally {
    haproxy.stop();
  }
}

async function waitForWorker(haproxy: Haproxy, old: number | undefined): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (haproxy.worker === old) {
    if (performance.now() > deadline) throw new Error('HAProxy does not take its configuration');
    await sleep(2);
  }
}
