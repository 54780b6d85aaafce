import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { compareIptables } from '../../../../src/base/rules/iptables/difference.ts';
import { compareNftables } from '../../../../src/base/rules/nftables/difference.ts';
import type { RuleTransaction } from '../../../../src/base/rules/transaction.ts';
import { compileEgress } from '../../../../src/egress/plan/rules.ts';
import { assertGolden } from '../../../golden.ts';
import { address, documented, everything } from './examples.ts';

function write({ scripts }: RuleTransaction): string {
  return scripts.map(({ tool, input }) => `# ${tool}\n${input}`).join('\n');
}

const backends = { iptables: compareIptables, nftables: compareNftables } as const;
const programs = { documented: compileEgress(documented), everything: compileEgress(everything) } as const;

for (const [backend, compare] of Object.entries(backends)) {
  describe(`rules written for ${backend}`, () => {
    for (const [name, program] of Object.entries(programs)) {
      it(`match the golden file of router "${name}"`, () => {
        assertGolden(`rules/${name}.${backend}`, write(compare(undefined, program)));
      });
    }

    it('are empty if nothing changes', () => {
      assert.deepEqual(compare(programs.everything, compileEgress(everything)).scripts, []);
    });

    it('change one redirect if one redirect changes', () => {
      const { redirects } = everything.redirects;
      const moved = redirects.map((one) => (one.port === 8007 ? { ...one, target: address('203.0.113.200') } : one));
      const changed = compileEgress({ ...everything, redirects: { ...everything.redirects, redirects: moved } });
      assertGolden(`rules/one-redirect.${backend}`, write(compare(programs.everything, changed)));
    });

    it('delete everything if nothing is desired', () => {
      assertGolden(`rules/removed.${backend}`, write(compare(programs.documented, undefined)));
    });
  });
}
