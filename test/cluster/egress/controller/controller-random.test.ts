import assert from 'node:assert/strict';
import fc from 'fast-check';
import { until } from '../../../until.ts';
import { clusterPaths as paths, ready } from '../../lab/cluster.ts';
import { ControllerLab } from '../../lab/controller-lab.ts';

/** What happens in a cluster, to one of three routers or to all. */
type Happening =
  | { readonly do: 'write' | 'break' | 'delete'; readonly router: string; readonly port: number }
  | { readonly do: 'lose'; readonly kind: 'definitions' | 'deployments' }
  | { readonly do: 'restart' | 'cut' | 'compact' }
  | { readonly do: 'fail'; readonly answer: 409 | 500 | 'cut'; readonly on: RegExp }
  | { readonly do: 'wait' };

const router = fc.constantFrom('a', 'b', 'c');
const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('write', 'write', 'break', 'delete'), router, port: fc.nat(9) }),
  },
  fc.record({ do: fc.constant('lose' as const), kind: fc.constantFrom('definitions', 'deployments') }),
  fc.record({ do: fc.constantFrom('restart' as const, 'cut' as const, 'compact' as const) }),
  fc.record({
    do: fc.constant('fail' as const),
    answer: fc.constantFrom(409 as const, 500 as const, 'cut' as const),
    on: fc.constantFrom(/PATCH .*deployments/, /PATCH .*attachment/, /PATCH .*status/, /GET .*limit/),
  }),
  fc.constant({ do: 'wait' as const }),
);

/** Each has its own. */
const addressOf = (name: string): object => ({
  ip: `192.168.12.${name.charCodeAt(0)}/24`,
  gateway: '192.168.12.1',
});

const rule = (port: number): object => ({
  redirectRules: [{ destinationIP: '203.0.113.26', port: 8000 + port, protocol: 'TCP' }],
});

/** One run: whatever happened, the end is as if only the last word of each router had been said. */
async function play(happenings: readonly Happening[]): Promise<void> {
  const lab = new ControllerLab();
  lab.cluster.podStatus = (pod) => ready(pod, ['192.168.12.97', '192.168.12.98', '192.168.12.99']);
  await lab.up();
  /** The last good spec of each router that is there, by its port; undefined: it never had one. */
  const model = new Map<string, { port: number | undefined; isBroken: boolean }>();
  let uid = 0;
  try {
    let controller = lab.start();
    for (const one of happenings) {
      switch (one.do) {
        case 'write':
        case 'break': {
          const known = model.get(one.router);
          const isBroken = one.do === 'break';
          const fresh = known === undefined ? { uid: `uid-${one.router}-${++uid}`, seconds: uid } : {};
          lab.putRouter(one.router, {
            seconds: Number(lab.server.get(paths.routers, `shop/${one.router}`)?.metadata.seconds ?? 0),
            ...fresh,
            spec: { addresses: isBroken ? [] : [addressOf(one.router)], redirect: rule(one.port) },
          });
          model.set(one.router, { port: isBroken ? known?.port : one.port, isBroken });
          break;
        }
        case 'delete':
          lab.server.remove(paths.routers, `shop/${one.router}`);
          model.delete(one.router);
          break;
        case 'lose':
          for (const { metadata } of lab.server.all(paths[one.kind]))
            lab.server.remove(paths[one.kind], `shop/${metadata.name}`);
          break;
        case 'restart':
          controller.stop();
          controller = lab.start();
          break;
        case 'cut':
          lab.server.dropWatches();
          break;
        case 'compact':
          lab.server.dropWatches();
          lab.server.compact();
          break;
        case 'fail':
          lab.server.fail(one);
          break;
        case 'wait':
          await new Promise((resolve) => setTimeout(resolve, 30));
      }
    }
    const expected = [...model.values()].filter(({ isBroken }) => !isBroken).length;
    const isSettled = (): boolean =>
      [...model].every(([name, { isBroken }]) => {
        const [available, progressing, degraded] = lab.conditionsOf(name);
        return isBroken
          ? degraded === 'Degraded=True InvalidSpec'
          : available === 'Available=True RouterReady' &&
              progressing === 'Progressing=False AsExpected' &&
              degraded === 'Degraded=False AsExpected';
      }) &&
      owned(lab, model).length >= expected &&
      [...model.values()].every(
        ({ port, isBroken }) => isBroken || definitionsOf(lab).includes(`${8000 + (port ?? -1)} TCP`),
      );
    await until(
      isSettled,
      () => [[...model], [...model.keys()].map((name) => lab.conditionsOf(name)), owned(lab, model)],
      20_000,
    );
    // Whatever is there belongs to a router that is there, and says what that last said.
    await until(
      () => owned(lab, model).every((line) => !line.startsWith('no owner')),
      () => owned(lab, model),
    );
    assert.equal(new Set(owned(lab, model)).size, owned(lab, model).length);
    assert.deepEqual(lab.cluster.doubles, []);
  } finally {
    await lab.down();
  }
}

function definitionsOf(lab: ControllerLab): string {
  return JSON.stringify(lab.server.all(paths.definitions));
}

/** Deployments with the router that each belongs to. */
function owned(lab: ControllerLab, model: ReadonlyMap<string, unknown>): string[] {
  return lab.server.all(paths.deployments).map(({ metadata }) => {
    const [owner] = (metadata.ownerReferences ?? []) as readonly { readonly name: string; readonly uid: string }[];
    const living =
      owner !== undefined && lab.server.get(paths.routers, `shop/${owner.name}`)?.metadata.uid === owner.uid;
    return living && model.has(owner.name) ? owner.name : `no owner ${metadata.name}`;
  });
}

describe('The controller after random events in random order', () => {
  it('reaches the state that the final specs demand', async () => {
    await fc.assert(fc.asyncProperty(fc.array(happening, { minLength: 3, maxLength: 14 }), play), {
      numRuns: 25,
      interruptAfterTimeLimit: 60_000,
    });
  }).timeout(150_000);
});
