import type { KubeObject } from '../../test/cluster/lab/api-server.ts';
import { clusterPaths as paths } from '../../test/cluster/lab/cluster.ts';
import { addresses as at } from '../../test/lab/names.ts';
import { SmallCluster } from './small-cluster.ts';
import type { Stage } from './stage.ts';

const picture = `
  node-a ─────────────┐
   client pods        ├── physical network ── destinations, and the machine of the API server
  node-b ─────────────┘
   router pod 192.168.12.99
`;

const changes = 25;
const connections = 50;

/** Last act: a router that changes under load, and one whose node dies. */
export async function playStay(stage: Stage): Promise<void> {
  stage.act('Routers change under load and move when their node dies');
  stage.show(picture);
  const cluster = await SmallCluster.up('erdemo-stay');
  try {
    await playChanges(stage, cluster);
    await playDeath(stage, cluster);
  } finally {
    await cluster.down();
  }
}

function makeRouter(generation: number, destination: string): KubeObject {
  return {
    apiVersion: 'network.operator.openshift.io/v1',
    kind: 'EgressRouter',
    metadata: { namespace: 'shop', name: 'web', uid: 'uid-web', generation },
    spec: {
      networkInterface: { macvlan: { mode: 'Bridge' } },
      addresses: [{ ip: `${at.reserved[4]}/24`, gateway: at.gateway[4] }],
      mode: 'Redirect',
      redirect: {
        redirectRules: [
          { destinationIP: at.web[4], port: 8080, targetPort: 80, protocol: 'TCP' },
          { destinationIP: destination, port: 9000, targetPort: 443, protocol: 'TCP' },
        ],
      },
    },
  } as unknown as KubeObject;
}

/** Returns every condition of the router with its observed generation. */
function readConditions(cluster: SmallCluster): string {
  const status = cluster.server.get(paths.routers, 'shop/web')?.status;
  const { conditions = [] } = (status ?? {}) as {
    conditions?: readonly { type: string; status: string; observedGeneration?: number }[];
  };
  return conditions.map((one) => `${one.type}=${one.status} (generation ${one.observedGeneration})`).join(', ');
}

async function waitUntil(isSo: () => boolean, milliseconds = 60_000): Promise<boolean> {
  for (const end = performance.now() + milliseconds; !isSo(); ) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return true;
}

/** Returns whether a generation is applied, as `kubectl wait --for=condition=Available` sees it. */
function isInForce(cluster: SmallCluster, generation: number): boolean {
  const words = readConditions(cluster);
  return words.startsWith(`Available=True (generation ${generation}), Progressing=False (generation ${generation})`);
}

async function playChanges(stage: Stage, cluster: SmallCluster): Promise<void> {
  const { lab, server } = cluster;
  stage.step('A user applies an EgressRouter; the controller creates its objects, and a node runs the pod');
  server.put(paths.routers, makeRouter(1, at.secure[4]));
  await waitUntil(() => isInForce(cluster, 1));
  stage.claim('$ kubectl describe egressrouter', readConditions(cluster), /^Available=True .*Degraded=False/);
  const { place, pod, nodeName } = cluster.router ?? {};
  if (place === undefined) {
    stage.show(cluster.output);
    return;
  }
  stage.claim('the router is on', `${nodeName}`, 'node-b');
  const client = await lab.agent('near');
  stage.claim(
    `client → ${place.address} tcp 8080`,
    await client.reach('tcp', place.address, 8080),
    `${at.reserved[4]} ${at.web[4]} 80`,
  );

  stage.step(`One of its redirects changes ${changes} times while clients use the other`);
  const names = Array.from({ length: connections }, (_, index) => `held-${index}`);
  await Promise.all(names.map((name) => client.hold(name, place.address, 8080)));
  await client.hammer('new', 'tcp', place.address, 8080, { timeout: 1000 });
  const start = performance.now();
  let destination: string = at.secure[4];
  for (let generation = 2; generation <= changes + 1; generation++) {
    destination = generation % 2 === 0 ? at.fallback[4] : at.secure[4];
    server.put(paths.routers, { ...server.get(paths.routers, 'shop/web'), ...makeRouter(generation, destination) });
    await waitUntil(() => isInForce(cluster, generation));
  }
  const each = Math.round((performance.now() - start) / changes);
  const { [`${at.reserved[4]} ${at.web[4]} 80`]: answered = 0, ...others } = await client.stopHammer('new');
  stage.show(`${each} ms on average from the changed EgressRouter to Available in its status`);
  stage.claim(
    'new connections meanwhile',
    `${answered} answered, others ${JSON.stringify(others)}`,
    /^[1-9]\d* .* {}$/,
  );
  const echoes = await Promise.all(names.map((name) => client.say(name, 'still there?')));
  const alive = echoes.filter((echo) => echo === 'still there?').length;
  stage.claim('earlier connections that still work', `${alive} of ${connections}`, `${connections} of ${connections}`);
  stage.claim(
    'client → tcp 9000 reaches the newest destination',
    await client.reach('tcp', place.address, 9000),
    `${at.reserved[4]} ${destination} 443`,
  );
  stage.claim('the pod is the same', `${cluster.router?.pod.metadata.name === pod?.metadata.name}`, 'true');
}

async function playDeath(stage: Stage, cluster: SmallCluster): Promise<void> {
  const { lab, server } = cluster;
  const client = await lab.agent('near');
  const expected = `${at.reserved[4]} ${at.web[4]} 80`;

  stage.step("The cable of the router's node is disconnected");
  // Gives the controller time to observe the running router.
  await new Promise((resolve) => setTimeout(resolve, 2500));
  const start = performance.now();
  await cluster.setCable('node2', 'down');
  await waitUntil(() => cluster.router?.nodeName === 'node-a');
  const { place, nodeName } = cluster.router ?? {};
  if (place === undefined) stage.show(cluster.output);
  const answer = place && (await client.reach('tcp', place.address, 8080, { timeout: 5000 }));
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  stage.claim(`${seconds} s later, on ${nodeName}: client → tcp 8080`, `${answer}`, expected);
  for (const { reason, message } of server.all(paths.events) as unknown as { reason: string; message: string }[]) {
    if (reason === 'NodeGone') stage.show(`Event ${reason}: ${message}`);
  }

  stage.step('The cable is reconnected: the old router detects that its address is in use and closes its interface');
  await client.hammer('after', 'tcp', place?.address ?? '', 8080, { timeout: 1000 });
  await cluster.setCable('node2', 'up');
  let state = '';
  for (let attempt = 0; attempt < 600 && !state.includes('DOWN'); attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    state = await lab.run('extra', 'ip', ['-br', 'link', 'show', 'net1']);
  }
  stage.claim('net1 of the old router', state.split(/\s+/)[1] ?? '', 'DOWN');
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const { [expected]: answered = 0, ...others } = await client.stopHammer('after');
  const failed = Object.values(others).reduce((sum, count) => sum + count, 0);
  const few = failed * 1000 < answered;
  const seen = `${few ? 'yes' : 'no'}: ${answered} answered, others ${JSON.stringify(others)}`;
  stage.claim('fewer than 1 in 1,000 connections failed in the meantime', seen, /^yes/);
}
