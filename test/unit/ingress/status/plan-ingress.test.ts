import assert from 'node:assert/strict';
import type { Holding } from '../../../../src/ingress/pools/holding.ts';
import { IngressStatuses } from '../../../../src/ingress/status/ingress-statuses.ts';
import { listRouterAddresses } from '../../../../src/ingress/status/plan-ingress.ts';
import type { RouteStatus } from '../../../../src/ingress/status/status.ts';

const router = [{ text: '192.0.2.10' }, { text: '2001:db8::10' }];
const nodes = ['198.51.100.1'];

describe('addresses in the statuses of Ingresses', () => {
  const free = { state: 'free', reason: 'no ingress node is ready to hold it' } as const;
  const cases: readonly (readonly [string, readonly [Holding, Holding], readonly string[] | undefined])[] = [
    ['are those of the router', [{ state: 'held' }, { state: 'held' }], ['192.0.2.10', '2001:db8::10']],
    ['are the held ones', [{ state: 'held' }, free], ['192.0.2.10']],
    ['are those of the nodes if none is held', [free, free], nodes],
    ['are not known during a move', [{ state: 'held' }, { state: 'waiting' }], undefined],
  ];
  for (const [title, [first, second], expected] of cases) {
    it(title, () => {
      const holdingOf = (address: string) => (address === '192.0.2.10' ? first : second);
      assert.deepEqual(listRouterAddresses(router, holdingOf, nodes), expected);
    });
  }

  it('are those of the nodes without addresses of the router', () => {
    assert.deepEqual(
      listRouterAddresses([], () => free, nodes),
      nodes,
    );
  });

  it('stay as they are while they are not known', () => {
    const statuses = new IngressStatuses({ tell: async () => {} }, { isHeld: true });
    const status = { kind: 'Ingress', admitted: true, meta: { namespace: 'shop', name: 'web', uid: 'uid' } };
    const object = { metadata: { uid: 'uid' }, status: { loadBalancer: { ingress: [{ ip: '192.0.2.10' }] } } };
    const plan = () => statuses.plan('shop/web', object as unknown as Parameters<IngressStatuses['plan']>[1]);
    const publish = (addresses?: readonly string[]) => statuses.publish([status as unknown as RouteStatus], addresses);
    publish(undefined);
    assert.equal(plan(), undefined);
    assert.deepEqual(publish(nodes), ['shop/web']);
    assert.deepEqual(plan()?.status, { loadBalancer: { ingress: [{ ip: '198.51.100.1' }] } });
  });
});
