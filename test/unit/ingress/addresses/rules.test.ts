import assert from 'node:assert/strict';
import { type RuleInput, renderRules } from '../../../../src/ingress/addresses/rules.ts';
import { assertGolden } from '../../../golden.ts';

const way = (number: number, family: 4 | 6) => ({
  gateway: family === 4 ? `192.0.2.${number}` : `fe80::${number}`,
  device: 'eth0',
});

const input: RuleInput = {
  router: 'ingress',
  addresses: [
    { address: '192.0.2.10', ports: [{ protocol: 'TCP', port: 80 }] },
    { address: '192.0.2.11', ports: [{ protocol: 'UDP', port: 53 }], translated: true },
    { address: '2001:db8::10', ports: [], translated: true },
  ],
  hidden: [
    { address: '192.0.2.10', holder: way(2, 4), isServing: true },
    { address: '192.0.2.12', isServing: false },
  ],
  drained: [
    { address: '192.0.2.11', drainers: [way(2, 4), way(3, 4)] },
    { address: '2001:db8::10', drainers: [way(2, 6)] },
  ],
  members: [
    { mac: '02:00:00:00:00:02', addresses: ['192.0.2.2', 'fe80::2'] },
    { mac: '02:00:00:00:00:03', addresses: ['192.0.2.3'] },
  ],
  arpSources: [way(1, 4)],
};

describe('renderRules', () => {
  it('renders a hand-over in both directions', () => {
    assertGolden('rules/addresses.nft', renderRules(input));
  });

  it('renders no elements without addresses, members or moves', () => {
    const rules = renderRules({ ...input, addresses: [], hidden: [], drained: [], members: [], arpSources: [] });
    assert.doesNotMatch(rules, /elements/);
    assert.doesNotMatch(rules, /hook input priority 150/);
  });
});
