import assert from 'node:assert/strict';
import { formatProblem } from '../../../../src/base/model/problem.ts';
import { parseService, type Service } from '../../../../src/ingress/objects/service.ts';
import { noAssignments } from '../../../../src/ingress/pools/assign.ts';
import type { Holding } from '../../../../src/ingress/pools/holding.ts';
import { planBalancer, reportAddresses } from '../../../../src/ingress/status/plan-addresses.ts';

const now = new Date('2026-01-01T00:00:00Z');
const ours = 'egress-router.io/ingress-agent';

function service(annotations: object = {}, spec: object = {}): Service {
  const read = parseService({
    metadata: { namespace: 'shop', name: 'web', uid: 'web', annotations },
    spec: { type: 'LoadBalancer', loadBalancerClass: ours, ports: [], ...spec },
  });
  if (!read.ok) throw new Error(read.problems.map(formatProblem).join('; '));
  return read.value;
}

type Assignment = NonNullable<ReturnType<(typeof noAssignments)['claims']['get']>>;

function plan(one: Service, assignment: Assignment | undefined, holding: Holding, status: object = {}) {
  const { services } = reportAddresses({
    services: [one],
    assignments: { ...noAssignments, claims: new Map(assignment && [['web', assignment]]) },
    balancerClass: ours,
    holdingOf: () => holding,
  });
  const report = services.get('shop/web');
  return report?.isPending ? 'pending' : planBalancer(report, { status: status as Record<string, unknown> }, now);
}

function describeChange(change: ReturnType<typeof plan>): string {
  if (typeof change !== 'object') return change ?? 'none';
  const { loadBalancer, conditions } = change.status as {
    loadBalancer: { ingress: { ip: string }[] };
    conditions: { status: string; reason: string; message: string }[];
  };
  const [{ status, reason, message } = { status: '', reason: '', message: '' }] = conditions;
  return [loadBalancer.ingress.map(({ ip }) => ip).join() || '-', status, reason, message].join(' ').trim();
}

const assigned: Assignment = { addresses: [{ family: 4, text: '192.0.2.1', value: 0xc0_00_02_01n } as never] };
const held: Holding = { state: 'held' };
const free: Holding = { state: 'free', reason: 'no ingress node is ready to hold it' };
const rows: readonly (readonly [name: string, change: ReturnType<typeof plan>, want: RegExp])[] = [
  ['names a held address', plan(service(), assigned, held), /^192\.0\.2\.1 True AddressHeld$/],
  ['does not name an address during a move', plan(service(), assigned, { state: 'waiting' }), /^pending$/],
  [
    'explains an address that no node holds',
    plan(service(), assigned, free),
    /^- False AddressNotAssigned no ingress node holds 192\.0\.2\.1: no ingress node is ready to hold it$/,
  ],
  [
    'names the policy that excludes nodes',
    plan(service({}, { externalTrafficPolicy: 'Local' }), assigned, free),
    /ready to hold it; with externalTrafficPolicy Local, only an ingress node with a ready endpoint/,
  ],
  [
    'reports a full pool',
    plan(service(), { addresses: [], refusal: { reason: 'AddressNotAssigned', message: 'full' } }, held),
    /^- False AddressNotAssigned full$/,
  ],
  [
    'reports a namespace that no pool admits',
    plan(service(), undefined, held),
    /^- False AddressNotUsable no pool of addresses admits the namespace shop; ask/,
  ],
  [
    'reports a pool that the namespace may not use',
    plan(service({ 'egress-router.io/address-pool': 'dmz' }), undefined, held),
    /^- False AddressNotUsable the annotation egress-router.io\/address-pool names "dmz", which is no pool .* correct/,
  ],
  ['ignores a Service of a cloud', plan(service({}, { loadBalancerClass: undefined }), undefined, held), /^none$/],
];

describe('The status of a Service of type LoadBalancer', () => {
  for (const [name, change, want] of rows) it(name, () => assert.match(describeChange(change), want));

  it('is written once, and preserves conditions of others', () => {
    const foreign = { type: 'example.com/Other', status: 'True', reason: 'A', message: '' };
    const change = plan(service(), assigned, held, { conditions: [foreign] });
    assert.ok(typeof change === 'object');
    const { conditions } = change.status as { conditions: readonly object[] };
    assert.equal(conditions.length, 2);
    assert.deepEqual(conditions[0], foreign);
    assert.equal(plan(service(), assigned, held, change.status), undefined);
  });
});
