import assert from 'node:assert/strict';
import fc from 'fast-check';
import { after, before, describe, it } from 'mocha';
import { runTool } from '../../../../src/base/linux/rule-tools.ts';
import { type Address, parseAddress, parsePrefix } from '../../../../src/base/model/address.ts';
import { parseAddressRange } from '../../../../src/base/model/address-range.ts';
import { compareDocuments } from '../../../../src/base/rules/nftables/difference.ts';
import { readListedTable } from '../../../../src/base/rules/nftables/listed.ts';
import { NftablesIngress } from '../../../../src/ingress/ports/linux/nftables-ingress.ts';
import type { IngressPort } from '../../../../src/ingress/ports/model.ts';
import { ingressTableName } from '../../../../src/ingress/ports/rules/frame.ts';
import { addNamespaces, dropNamespaces } from '../../../lab/namespaces.ts';
import { compileIngress } from '../../../unit/ingress/ports/rules/compile-oracle.ts';
import { inNamespace } from '../../base/linux/wire.ts';

const netns = ['erelem-one', 'erelem-two'] as const;

const hosts = ['10.128.10.1', '10.128.20.1', 'fd00:10::1', 'fd00:20::1'].flatMap((text) => parseAddress(text) ?? []);
const prefixes = ['10.0.0.0/8', '192.168.12.66/32', '198.51.100.0/31', '2001:db8::/33', '::/0'].flatMap(
  (text) => parsePrefix(text) ?? [],
);

const endpoint = fc.record({
  address: fc.constantFrom(...hosts),
  port: fc.integer({ min: 1, max: 65_535 }),
  weight: fc.integer({ min: 0, max: 3 }),
  local: fc.boolean(),
});
const onePort: fc.Arbitrary<IngressPort> = fc.record(
  {
    protocol: fc.constantFrom('tcp' as const, 'udp' as const, 'sctp' as const),
    port: fc.integer({ min: 250, max: 262 }),
    endpoints: fc.uniqueArray(endpoint, { maxLength: 4, selector: ({ address, port }) => `${address.text} ${port}` }),
    balance: fc.constantFrom('source' as const, 'roundrobin' as const),
    limits: fc.constantFrom({}, { rate: 5 }, { concurrent: 3 }),
    allowed: fc.subarray(prefixes),
    idleTimeout: fc.constantFrom(1000, 5000),
    localOnly: fc.constant(true as const),
  },
  { requiredKeys: ['protocol', 'port', 'endpoints', 'balance', 'limits'] },
);
const virtual = ['192.0.2.0/30', '2001:db8:99::1-2001:db8:99::ff'].flatMap((text) => parseAddressRange(text) ?? []);
const placed = ['192.0.2.77', '2001:db8:77::1'].flatMap((text) => parseAddress(text) ?? []);
/** The same ports at single addresses, which have neither limits of clients nor allow-lists. */
const portAtAddress = fc
  .tuple(onePort, fc.constantFrom('192.0.2.0', '192.0.2.3', '2001:db8:99::1', ...placed.map((one) => one.text)))
  .map(([{ allowed: _allowed, ...port }, text]): IngressPort => {
    const isOfNode = placed.some((one) => one.text === text);
    return { ...port, limits: {}, address: parseAddress(text) as Address, ...(isOfNode && { ofNode: true }) };
  });
const ports: fc.Arbitrary<IngressPort[]> = fc.uniqueArray(fc.oneof(onePort, portAtAddress), {
  maxLength: 8,
  selector: ({ protocol, port, address }) => `${protocol} ${port} ${address?.text}`,
});

describe('an ingress table changed by elements', () => {
  before(() => {
    dropNamespaces(netns);
    return addNamespaces(netns);
  });
  after(() => dropNamespaces(netns));

  it('is listed by nft like a table that nft reads as a whole', function () {
    this.timeout(120_000);
    fc.assert(
      fc.property(fc.array(ports, { minLength: 1, maxLength: 4 }), (sequence) => {
        const last = sequence.at(-1) ?? [];
        const changed = inNamespace(netns[0], () => {
          const ingress = new NftablesIngress({ name: 'test', drainTime: 0 });
          try {
            for (const one of sequence) ingress.apply({ name: 'test', ports: one, virtual, placed });
            return listTable();
          } finally {
            ingress.remove();
          }
        });
        const whole = inNamespace(netns[1], () => {
          const text = compareDocuments(undefined, compileIngress({ name: 'test', ports: last, virtual, placed }));
          runTool('nft', ['-f', '-'], `flush ruleset\n${text}`);
          return listTable();
        });
        assert.deepEqual(changed.filter(isElement), whole.filter(isElement));
        // Chains and the like that earlier ports needed stay for a while.
        const there = new Set(changed);
        assert.deepEqual(
          whole.filter((line) => !there.has(line)),
          [],
        );
      }),
      { numRuns: 12 },
    );
  });
});

function listTable(): string[] {
  return readListedTable(runTool('nft', ['-s', 'list', 'table', 'inet', ingressTableName('test', 'a')]));
}

/** A line of a map or set that is not its declaration. */
function isElement(line: string): boolean {
  return /^(?:map|set) \S+: (?!type|flags|size|timeout)/.test(line);
}
