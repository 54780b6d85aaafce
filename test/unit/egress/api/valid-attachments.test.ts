import assert from 'node:assert/strict';
import { formatProblem } from '../../../../src/base/model/problem.ts';
import { parseValidAttachments } from '../../../../src/egress/api/valid-attachments.ts';

describe('parseValidAttachments', () => {
  it('parses the list', () => {
    const list = [
      { containerID: 'a', ifname: 'net1' },
      { containerID: 'b', ifname: 'net2', extra: 1 },
    ];
    assert.deepEqual(parseValidAttachments({ 'cni.dev/valid-attachments': list }), {
      ok: true,
      value: [
        { containerId: 'a', ifname: 'net1' },
        { containerId: 'b', ifname: 'net2' },
      ],
    });
  });

  it('accepts an empty list', () => {
    assert.deepEqual(parseValidAttachments({ 'cni.dev/valid-attachments': [] }), { ok: true, value: [] });
  });

  const cases: readonly (readonly [name: string, configuration: unknown, want: string])[] = [
    ['a missing list', {}, 'cni.dev/valid-attachments missing: must be a list of objects with containerID and ifname'],
    [
      'null',
      { 'cni.dev/valid-attachments': null },
      'cni.dev/valid-attachments null: must be a list of objects with containerID and ifname',
    ],
    [
      'half an entry',
      { 'cni.dev/valid-attachments': [{ containerID: 'a' }] },
      'cni.dev/valid-attachments[0].ifname missing: must be an interface name',
    ],
  ];
  for (const [name, configuration, want] of cases) {
    it(`rejects ${name}, so that GC removes nothing by mistake`, () => {
      const parsed = parseValidAttachments(configuration);
      assert.deepEqual(parsed.ok ? [] : parsed.problems.map(formatProblem), [want]);
    });
  }
});
