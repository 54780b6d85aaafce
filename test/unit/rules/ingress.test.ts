import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { parsePrefix } from '../../../src/model/address.ts';
import type { IngressPort, IngressRules, WeightedEndpoint } from '../../../src/model/ingress.ts';
import { compileIngress } from '../../../src/rules/ingress/compile.ts';
import { assignSlots } from '../../../src/rules/ingress/slots.ts';
import { selectStale } from '../../../src/rules/ingress/stale.ts';
import { IngressTable } from '../../../src/rules/ingress/table.ts';
import { compareDocuments } from '../../../src/rules/nftables/difference.ts';
import type { NftDocument } from '../../../src/rules/nftables/document.ts';
import { assertGolden } from '../../golden.ts';
import { address } from './examples.ts';

function endpoint(last: number, weight = 1, local = true): WeightedEndpoint {
  return { address: address(`10.128.10.${last}`), port: 7000, weight, local };
}

function open(port: Partial<IngressPort>): IngressPort {
  return { protocol: 'tcp', port: 13306, endpoints: [endpoint(1)], balance: 'roundrobin', limits: {}, ...port };
}

function rules(...ports: IngressPort[]): IngressRules {
  return { name: 'default', ports };
}

const prefixes = ['10.0.0.0/8', '10.1.0.0/16', '192.168.12.66/32', '2001:db8::/32'].flatMap(
  (text) => parsePrefix(text) ?? [],
);

const sample = rules(
  open({
    endpoints: [endpoint(1), endpoint(2, 3), endpoint(3, 1, false)],
    limits: { concurrent: 5, rate: 10 },
    allowed: prefixes,
  }),
  open({ protocol: 'udp', port: 53, balance: 'random', idleTimeout: 4_500 }),
  open({ port: 18080, endpoints: [] }),
  open({ port: 18081, endpoints: [endpoint(9, 1, false)], localOnly: true }),
);

describe('compileIngress', () => {
  it('lays ports out as the file shows', () => {
    assertGolden('rules/ingress.nftables', compareDocuments(undefined, compileIngress(sample)));
  });

  it('costs a few elements to send a port elsewhere, however many ports there are', () => {
    const many = Array.from({ length: 1000 }, (_, index) => open({ port: 10_000 + index }));
    const moved = many.map((port, index) => (index === 500 ? { ...port, endpoints: [endpoint(2)] } : port));
    const lines = compareDocuments(compileIngress(rules(...many)), compileIngress(rules(...moved)))
      .trimEnd()
      .split('\n');
    assert.deepEqual(lines, [
      'add element inet ingress-agent-default hairpin4 { 10.128.10.2 . 10.128.10.2 }',
      'delete element inet ingress-agent-default tcp4 { 10500 . 0 }',
      'add element inet ingress-agent-default tcp4 { 10500 . 0 : 10.128.10.2 . 7000 }',
    ]);
  });

  it('comes by any sequence of updates to the same table as at once', () => {
    const someEndpoints = fc.array(
      fc.integer({ min: 1, max: 6 }).map((last) => endpoint(last, 1, last !== 6)),
      { maxLength: 4 },
    );
    const somePorts = fc.uniqueArray(
      fc.record({
        protocol: fc.constantFrom('tcp' as const, 'udp' as const),
        port: fc.integer({ min: 1, max: 8 }),
        endpoints: someEndpoints,
        balance: fc.constantFrom('source' as const, 'random' as const),
        limits: fc.constantFrom({}, { rate: 5 }, { concurrent: 3 }),
      }),
      { selector: ({ protocol, port }) => `${protocol} ${port}`, maxLength: 6 },
    );
    fc.assert(
      fc.property(fc.array(somePorts, { minLength: 1, maxLength: 5 }), (sequence) => {
        const table = new IngressTable(rules());
        let document = compileIngress(rules());
        for (const ports of sequence) document = applyLines(document, table.update(ports).input);
        const last = sequence.at(-1) ?? [];
        assert.deepEqual(simplify(document), simplify(compileIngress(rules(...last))));
      }),
    );
  });

  it('changes nothing where nothing changes', () => {
    assert.equal(compareDocuments(compileIngress(sample), compileIngress(sample)), '');
  });
});

/** What nft would make of an update; it refuses to add what is there and to delete what is not. */
function applyLines(document: NftDocument, input: string): NftDocument {
  const collections = new Map(
    Array.from(document.collections, ([name, one]) => [name, { ...one, elements: new Map(one.elements) }]),
  );
  const chains = new Map(Array.from(document.chains, ([name, one]) => [name, { ...one, rules: [...one.rules] }]));
  for (const line of input.split('\n').filter((one) => one !== '')) {
    const [verb, what, , , name = '', ...rest] = line.split(' ');
    const inner = rest.join(' ').replace(/^\{ /, '').replace(/ \}$/, '');
    if (what === 'element') {
      const elements = collections.get(name)?.elements;
      assert.ok(elements, line);
      for (const element of inner.split(', ')) {
        const [key = '', value = ''] = element.split(' : ');
        assert.equal(elements.has(key), verb === 'delete', line);
        if (verb === 'delete') elements.delete(key);
        else elements.set(key, value);
      }
    } else if (what === 'chain') {
      assert.equal(chains.has(name), verb !== 'add', line);
      if (verb === 'delete') chains.delete(name);
      else chains.set(name, { rules: [] });
    } else if (what === 'rule') chains.get(name)?.rules.push(rest.join(' '));
    else if (what === 'map' || what === 'set') {
      assert.equal(collections.has(name), verb !== 'add', line);
      if (verb === 'delete') collections.delete(name);
      else collections.set(name, { kind: what, head: inner.replace(/;$/, '').split('; '), elements: new Map() });
    }
  }
  return { ...document, collections, chains };
}

/** A table without the order in which its parts came. */
function simplify({ collections, chains }: NftDocument): unknown {
  const contents = Array.from(collections, ([name, { kind, head, elements }]) => [
    name,
    { kind, head, elements: Object.fromEntries(elements) },
  ]);
  return { chains: Object.fromEntries(chains), collections: Object.fromEntries(contents) };
}

const endpoints = fc.uniqueArray(
  fc.record({ last: fc.integer({ min: 1, max: 250 }), weight: fc.integer({ min: 0, max: 256 }) }),
  { minLength: 1, maxLength: 12, selector: ({ last }) => last },
);

describe('assignSlots', () => {
  it('gives each endpoint its share by weight, exactly or nearly, and none to weight 0', () => {
    fc.assert(
      fc.property(endpoints, (list) => {
        const slots = assignSlots(
          list.map(({ last, weight }) => endpoint(last, weight)),
          'roundrobin',
        );
        const total = list.reduce((sum, { weight }) => sum + weight, 0);
        if (total === 0) return assert.deepEqual(slots, []);
        for (const { last, weight } of list) {
          const seen = slots.filter((one) => one.address.text === `10.128.10.${last}`).length / slots.length;
          assert.equal(seen === 0, weight === 0);
          assert.ok(Math.abs(seen - weight / total) <= 12 / 1024, `${seen} of ${weight}/${total}`);
        }
      }),
    );
  });

  it('does not depend on the order in which endpoints come', () => {
    fc.assert(
      fc.property(endpoints, fc.constantFrom('source' as const, 'random' as const), (list, balance) => {
        const all = list.map(({ last, weight }) => endpoint(last, weight));
        assert.deepEqual(assignSlots(all.toReversed(), balance), assignSlots(all, balance));
      }),
    );
  });

  it('moves by source only what an endpoint that leaves had', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 250 }), { minLength: 2, maxLength: 8 }), (list) => {
        const all = list.map((last) => endpoint(last));
        const [gone, ...rest] = all;
        const before = assignSlots(all, 'source');
        const after = assignSlots(rest, 'source');
        for (const [slot, was] of before.entries()) if (was !== gone) assert.equal(after[slot], was);
      }),
    );
  });
});

describe('selectStale', () => {
  const from = [open({ endpoints: [endpoint(1), endpoint(2)] }), open({ protocol: 'udp', port: 53, endpoints: [] })];
  const to = [open({ endpoints: [endpoint(2), endpoint(3, 0)] }), open({ protocol: 'udp', port: 53 })];
  const cases = [
    {
      name: 'established TCP to an endpoint that went',
      protocol: 'tcp',
      port: 13306,
      endpoint: '10.128.10.1 7000',
      established: true,
      stale: false,
    },
    {
      name: 'half-open TCP to an endpoint that went',
      protocol: 'tcp',
      port: 13306,
      endpoint: '10.128.10.1 7000',
      established: false,
      stale: true,
    },
    {
      name: 'half-open TCP to an endpoint that stays',
      protocol: 'tcp',
      port: 13306,
      endpoint: '10.128.10.2 7000',
      established: false,
      stale: false,
    },
    {
      name: 'UDP to an endpoint that is not wanted',
      protocol: 'udp',
      port: 53,
      endpoint: '10.128.10.9 7000',
      established: true,
      stale: true,
    },
    {
      name: 'UDP that came before its port had an endpoint',
      protocol: 'udp',
      port: 53,
      established: false,
      stale: true,
    },
    { name: 'UDP to a port that nobody opens', protocol: 'udp', port: 54, established: false, stale: false },
  ] as const;
  for (const { name, stale, ...connection } of cases) {
    it(`${stale ? 'forgets' : 'keeps'} ${name}`, () => assert.equal(selectStale(from, to)(connection), stale));
  }
});
