import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { hasRefuge, readNode } from '../../../../../src/egress/controller/failover/nodes.ts';

const controlPlane = { key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' };
const dedicated = { key: 'dedicated', value: 'egress', effect: 'NoSchedule' };
/** What every router's pod tolerates. */
const own = { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 30 };

const cases: readonly { name: string; taints: readonly object[]; tolerations?: readonly object[]; is: boolean }[] = [
  { name: 'without taints', taints: [], is: true },
  { name: 'of a control plane', taints: [controlPlane], is: false },
  { name: 'that would rather have no pods', taints: [{ ...controlPlane, effect: 'PreferNoSchedule' }], is: true },
  { name: 'whose taint all tolerate', taints: [controlPlane], tolerations: [{ operator: 'Exists' }], is: true },
  { name: 'whose taint the namespace’s pods tolerate', taints: [dedicated], tolerations: [dedicated], is: true },
  { name: 'with another value', taints: [dedicated], tolerations: [{ ...dedicated, value: 'build' }], is: false },
  { name: 'with another effect', taints: [{ ...dedicated, effect: 'NoExecute' }], tolerations: [dedicated], is: false },
  { name: 'with one taint too many', taints: [dedicated, controlPlane], tolerations: [dedicated], is: false },
  {
    name: 'whose taint has no value',
    taints: [controlPlane],
    tolerations: [{ key: controlPlane.key, effect: 'NoSchedule' }],
    is: true,
  },
];

describe('hasRefuge', () => {
  for (const { name, taints, tolerations = [], is } of cases) {
    it(`counts a node ${name} as ${is ? 'available' : 'unavailable'}`, () => {
      const node = readNode({
        metadata: { name: 'n2' },
        spec: { taints },
        status: { conditions: [{ type: 'Ready', status: 'True' }] },
      });
      assert.ok(node !== undefined);
      assert.equal(hasRefuge([node], new Set(['n1']), {}, [own, ...tolerations] as Record<string, unknown>[]), is);
    });
  }
});
