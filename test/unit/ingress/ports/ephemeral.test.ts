import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultPolicy } from '../../../../src/ingress/claims/policy.ts';
import { describeEphemeralOverlap, readEphemeralPorts } from '../../../../src/ingress/ports/ephemeral.ts';

const range = { from: 32_768, to: 60_999 };

describe("local ports of the node's own connections", () => {
  const cases = [
    { name: 'do not concern the ordinary ports', allowed: defaultPolicy.allowedPorts, reserved: [], says: undefined },
    {
      name: 'concern those within',
      allowed: [{ from: 30_000, to: 33_000 }],
      reserved: [],
      says: /: 32768-33000; set /,
    },
    {
      name: 'do not concern those that are reserved',
      allowed: [{ from: 30_000, to: 33_000 }],
      reserved: [{ from: 32_768, to: 40_000 }],
      says: undefined,
    },
    {
      name: 'concern one that is left',
      allowed: [{ from: 40_000, to: 40_001 }],
      reserved: [{ from: 40_000, to: 40_000 }],
      says: /40000-40001/,
    },
  ] as const;
  for (const { name, allowed, reserved, says } of cases) {
    it(name, () => {
      const text = describeEphemeralOverlap({ allowedPorts: allowed, namespacePorts: new Map() }, { range, reserved });
      if (says === undefined) assert.equal(text, undefined);
      else assert.match(text ?? '', says);
    });
  }

  it('include those of other network namespaces', () => {
    const namespacePorts = new Map([['a', [{ from: 50_000, to: 50_000 }]]]);
    assert.match(
      describeEphemeralOverlap({ allowedPorts: [], namespacePorts }, { range, reserved: [] }) ?? '',
      /50000/,
    );
  });

  it("are parsed in the kernel's format", () => {
    const folder = mkdtempSync(join(tmpdir(), 'ephemeral-'));
    try {
      assert.equal(readEphemeralPorts(folder), undefined);
      writeFileSync(join(folder, 'ip_local_port_range'), '32768\t60999\n');
      writeFileSync(join(folder, 'ip_local_reserved_ports'), '\n');
      assert.deepEqual(readEphemeralPorts(folder), { range, reserved: [] });
      writeFileSync(join(folder, 'ip_local_reserved_ports'), '8080,40000-40100\n');
      assert.deepEqual(readEphemeralPorts(folder)?.reserved, [
        { from: 8080, to: 8080 },
        { from: 40_000, to: 40_100 },
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
