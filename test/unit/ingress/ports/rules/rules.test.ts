import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { parsePrefix } from '../../../../../src/base/model/address.ts';
import { parseAddressRange } from '../../../../../src/base/model/address-range.ts';
import { compareDocuments } from '../../../../../src/base/rules/nftables/difference.ts';
import type { NftDocument } from '../../../../../src/base/rules/nftables/document.ts';
import { type NftElement, writeKey, writeValue } from '../../../../../src/base/rules/nftables/element.ts';
import type { IngressPort, IngressRules, WeightedEndpoint } from '../../../../../src/ingress/ports/model.ts';
import { compileFrame } from '../../../../../src/ingress/ports/rules/frame.ts';
import { ingressMark, ingressMarkMask } from '../../../../../src/ingress/ports/rules/marks.ts';
import { assignSlots, interleave } from '../../../../../src/ingress/ports/rules/slots.ts';
import { judgeConnections } from '../../../../../src/ingress/ports/rules/stale.ts';
import { StateTable } from '../../../../../src/ingress/ports/rules/state-table.ts';
import { IngressTable, type IngressUpdate } from '../../../../../src/ingress/ports/rules/table.ts';
import { assertGolden } from '../../../../golden.ts';
import { address } from '../../../base/rules/examples.ts';
import { compileIngress } from './compile-oracle.ts';

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

/** Two addresses with the same port, and the node with it, too. */
const virtual = ['192.0.2.10-192.0.2.11', '2001:db8:99::/126'].flatMap((text) => parseAddressRange(text) ?? []);
const withVirtual: IngressRules = {
  ...rules(
    open({ port: 80 }),
    open({ port: 80, address: address('192.0.2.10'), endpoints: [endpoint(2), endpoint(3)], idleTimeout: 5000 }),
    open({ port: 80, address: address('192.0.2.11'), balance: 'source', endpoints: [endpoint(4), endpoint(5)] }),
    open({ port: 80, address: address('2001:db8:99::1') }),
  ),
  virtual,
};

/** Two own addresses of the node with the same port, beside a port of all addresses. */
const withPlaced: IngressRules = {
  ...rules(
    open({ port: 81 }),
    open({ port: 80, address: address('192.0.2.20'), ofNode: true, endpoints: [endpoint(2)], idleTimeout: 5000 }),
    open({ port: 80, address: address('192.0.2.21'), ofNode: true, endpoints: [] }),
  ),
  placed: [address('192.0.2.20'), address('192.0.2.21')],
};

describe('compileIngress', () => {
  it('renders ports at own addresses of the node like the golden file', () => {
    assertGolden('rules/ingress-placed.nftables', compareDocuments(undefined, compileIngress(withPlaced)));
    assertGolden(
      'rules/ingress-placed-state.nftables',
      new StateTable(withPlaced).install(withPlaced.ports, undefined),
    );
  });

  it('renders ports of virtual addresses like the golden file', () => {
    assertGolden('rules/ingress-virtual.nftables', compareDocuments(undefined, compileIngress(withVirtual)));
    assertGolden(
      'rules/ingress-virtual-state.nftables',
      new StateTable(withVirtual).install(withVirtual.ports, undefined),
    );
  });

  it('renders ports like the golden file', () => {
    assertGolden('rules/ingress.nftables', compareDocuments(undefined, compileIngress(sample)));
  });

  it('changes nothing if nothing changes', () => {
    assert.equal(compareDocuments(compileIngress(sample), compileIngress(sample)), '');
  });
});

describe('StateTable', () => {
  it('renders the golden file', () => {
    assertGolden('rules/ingress-state.nftables', new StateTable(sample).install(sample.ports, undefined));
  });

  it('takes over existing rules: keeps sets with state, and deletes unused ones', () => {
    const listed = {
      chains: ['limit-prerouting', 'policy-tcp-c9-r-t', 'refuse'],
      collections: ['map policies', 'set open4-5', 'set open4-9', 'set connections'],
      objects: ['ct timeout idle4-udp-5', 'ct timeout idle4-tcp-7'],
    };
    const lines = new StateTable(sample).install(sample.ports, listed).split('\n');
    const about = (word: string) => lines.filter((line) => line.includes(word));
    assert.deepEqual(
      about('delete'),
      [
        'delete chain inet ingress-agent-default-state policy-tcp-c9-r-t',
        'delete set inet ingress-agent-default-state open4-9',
        'delete ct timeout inet ingress-agent-default-state idle4-tcp-7',
      ],
      'what is not needed',
    );
    assert.deepEqual([about('set inet ingress-agent-default-state open4-5 '), about('-state connections {')], [[], []]);
    assert.equal(about('flush map inet ingress-agent-default-state policies').length, 1);
  });

  it('changes one element for the limits of a port, and nothing for its endpoints', () => {
    const state = new StateTable(rules());
    const one = open({ limits: { rate: 5 } });
    state.install([one], undefined);
    assert.deepEqual(state.update([{ ...one, endpoints: [] }]), { structure: '', gone: [], come: [] });
    const { structure, gone, come } = state.update([open({ limits: { rate: 6 } })]);
    assert.match(structure, /add chain \S+ \S+ policy-tcp-c-r6-t\n/);
    assert.deepEqual(gone.map(show), ['policies tcp . 13306 : goto policy-tcp-c-r5-t']);
    assert.deepEqual(come.map(show), ['policies tcp . 13306 : goto policy-tcp-c-r6-t']);
    assert.deepEqual(state.update([]).gone.map(show), ['policies tcp . 13306 : goto policy-tcp-c-r6-t']);
  });
});

describe('IngressTable', () => {
  it('changes a few elements to redirect a port, regardless of the number of ports', () => {
    const many = Array.from({ length: 1000 }, (_, index) => open({ port: 10_000 + index }));
    const table = new IngressTable(rules(), 'a');
    table.update(many);
    const moved = many.map((port, index) => (index === 500 ? open({ ...port, endpoints: [endpoint(2)] }) : port));
    const { structure, gone, come } = table.update(moved);
    assert.equal(structure, '');
    assert.deepEqual(Array.from(gone, show), ['tcp4 10500 . 0 : 10.128.10.1 . 7000']);
    assert.deepEqual(Array.from(come, show), [
      'local4 10.128.10.2 : ',
      'hairpin4 10.128.10.2 . 10.128.10.2 : ',
      'tcp4 10500 . 0 : 10.128.10.2 . 7000',
    ]);
  });

  it('needs no new chains or maps if an endpoint appears or disappears', () => {
    const table = new IngressTable(rules(), 'a');
    const withMany = (many: number) => [
      open({ balance: 'random', endpoints: Array.from({ length: many }, (_, index) => endpoint(index + 1)) }),
    ];
    table.update(withMany(5));
    assert.match(table.tidy(), /add chain \S+ \S+ tcp4-random-4\n/);
    assert.equal(table.update(withMany(6)).structure, '');
    table.tidy();
    assert.equal(table.update(withMany(5)).structure, '');
    assert.equal(table.tidy(), '');
  });

  it('deletes unused chains and maps if there are many', () => {
    const table = new IngressTable(rules(), 'a');
    for (let many = 1; many < 100; many++) {
      table.update([
        open({ balance: 'random', endpoints: Array.from({ length: many }, (_, index) => endpoint(index + 1)) }),
      ]);
    }
    assert.match(table.tidy(), /delete chain \S+ \S+ tcp4-random-4\n/);
    assert.equal(table.tidy(), '');
  });

  it('reaches the same table by any sequence of updates as at once', () => {
    const someEndpoints = fc.array(
      fc.integer({ min: 1, max: 6 }).map((last) => endpoint(last, 1, last !== 6)),
      { maxLength: 4 },
    );
    // Some are the very same list, as those of Routes on one Service are.
    const lists = [[], [endpoint(1), endpoint(2)], [endpoint(2), endpoint(3, 1, false)]];
    const somePorts = fc.uniqueArray(
      fc
        .record({
          protocol: fc.constantFrom('tcp' as const, 'udp' as const),
          port: fc.integer({ min: 1, max: 8 }),
          endpoints: fc.oneof(fc.constantFrom(...lists), someEndpoints),
          balance: fc.constantFrom('source' as const, 'random' as const),
          limits: fc.constantFrom({}, { rate: 5 }, { concurrent: 3 }),
          allowed: fc.constantFrom([], prefixes),
        })
        // Many slots that are shared are in a map of their own, which the whole table has not.
        .map((one) => (lists.includes(one.endpoints) ? { ...one, balance: 'random' as const } : one)),
      { selector: ({ protocol, port }) => `${protocol} ${port}`, maxLength: 6 },
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(somePorts, fc.boolean()), { minLength: 1, maxLength: 5 }), (sequence) => {
        const table = new IngressTable(rules(), 'a');
        const document = copy(compileFrame(rules(), 'a'));
        for (const [ports, isTidied] of sequence) {
          applyUpdate(document, table.update(ports));
          if (isTidied) applyStructure(document, table.tidy());
        }
        const wanted = copy(compileIngress(rules(...(sequence.at(-1)?.[0] ?? []))));
        for (const [name, { elements }] of document.collections) {
          const others = wanted.collections.get(name)?.elements ?? new Map();
          assert.deepEqual(Object.fromEntries(elements), Object.fromEntries(others), name);
        }
        // Spare structure may be there, none may be missing.
        for (const name of wanted.collections.keys()) assert.ok(document.collections.has(name), name);
        for (const [name, { base, rules: own }] of wanted.chains) {
          if (base === undefined) assert.deepEqual(document.chains.get(name)?.rules, own, name);
        }
      }),
    );
  });
});

function show(element: NftElement): string {
  return `${element.collection} ${writeKey(element)} : ${writeValue(element)}`;
}

interface Contents {
  readonly collections: Map<string, { readonly elements: Map<string, string> }>;
  readonly chains: Map<string, { readonly base?: string; readonly rules: string[] }>;
}

function copy({ collections, chains }: NftDocument): Contents {
  return {
    collections: new Map(Array.from(collections, ([name, one]) => [name, { elements: new Map(one.elements) }])),
    chains: new Map(Array.from(chains, ([name, one]) => [name, { ...one, rules: [...one.rules] }])),
  };
}

/** What the kernel would make of an update; it refuses to add what is there and to delete what is not. */
function applyUpdate(contents: Contents, { structure, gone, come }: IngressUpdate): void {
  applyStructure(contents, structure);
  for (const element of gone) {
    const elements = contents.collections.get(element.collection)?.elements;
    assert.equal(elements?.get(writeKey(element)), writeValue(element), show(element));
    elements?.delete(writeKey(element));
  }
  for (const element of come) {
    const elements = contents.collections.get(element.collection)?.elements;
    assert.equal(elements?.has(writeKey(element)), false, show(element));
    const { value } = element;
    if (value !== undefined && 'goto' in value) assert.ok(contents.chains.has(value.goto), value.goto);
    elements?.set(writeKey(element), writeValue(element));
  }
}

function applyStructure({ collections, chains }: Contents, input: string): void {
  for (const line of input.split('\n').filter((one) => one !== '')) {
    const [verb, what, , , name = '', ...rest] = line.split(' ');
    if (what === 'chain' && verb === 'flush') chains.get(name)?.rules.splice(0);
    else if (what === 'chain') {
      assert.equal(chains.has(name), verb !== 'add', line);
      if (verb === 'delete') chains.delete(name);
      else chains.set(name, { rules: [] });
    } else if (what === 'rule') chains.get(name)?.rules.push(rest.join(' '));
    else if (what === 'map' || what === 'set') {
      assert.equal(collections.has(name), verb !== 'add', line);
      if (verb === 'delete') collections.delete(name);
      else collections.set(name, { elements: new Map() });
    }
  }
}

const endpoints = fc.uniqueArray(
  fc.record({ last: fc.integer({ min: 1, max: 250 }), weight: fc.integer({ min: 0, max: 256 }) }),
  { minLength: 1, maxLength: 12, selector: ({ last }) => last },
);

describe('assignSlots', () => {
  it('gives each endpoint its share by weight, almost exactly, and none to weight 0', () => {
    fc.assert(
      fc.property(endpoints, (list) => {
        const slots = assignSlots(
          list.map(({ last, weight }) => endpoint(last, weight)),
          'roundrobin',
        );
        const total = list.reduce((sum, { weight }) => sum + weight, 0);
        if (total === 0) return assert.deepEqual(slots, []);
        for (const { last, weight } of list) {
          const seen = slots.filter((one) => one?.address.text === `10.128.10.${last}`).length / slots.length;
          assert.equal(seen === 0, weight === 0);
          assert.ok(Math.abs(seen - weight / total) <= 12 / 1024, `${seen} of ${weight}/${total}`);
        }
      }),
    );
  });

  it('does not depend on the order of endpoints', () => {
    fc.assert(
      fc.property(endpoints, fc.constantFrom('source' as const, 'random' as const), (list, balance) => {
        const all = list.map(({ last, weight }) => endpoint(last, weight));
        assert.deepEqual(assignSlots(all.toReversed(), balance), assignSlots(all, balance));
      }),
    );
  });

  it('reassigns only the sources of a removed endpoint', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 250 }), { minLength: 2, maxLength: 8 }), (list) => {
        const all = list.map((last) => endpoint(last));
        const [gone, ...rest] = all;
        const before = assignSlots(all, 'source');
        const after = assignSlots(rest, 'source');
        for (const [slot, was] of before.entries()) if (was !== gone) assert.equal(after[slot % after.length], was);
      }),
    );
  });
});

describe('judgeConnections', () => {
  const ports = [
    open({ endpoints: [endpoint(2), endpoint(3, 0)] }),
    open({ protocol: 'udp', port: 53, endpoints: [endpoint(2), endpoint(3, 0)] }),
    open({ protocol: 'udp', port: 54, endpoints: [endpoint(3, 0)] }),
  ];
  const cases = [
    { name: 'established TCP to an endpoint that went', port: 13306, last: 1, verdict: 'drain' },
    { name: 'half-open TCP to an endpoint that went', port: 13306, last: 1, half: true, verdict: 'forget' },
    { name: 'half-open TCP to an endpoint that stays', port: 13306, last: 2, half: true, verdict: 'keep' },
    { name: 'established TCP to an endpoint that gets nothing new', port: 13306, last: 3, verdict: 'keep' },
    { name: 'established TCP to a closed port', port: 13307, last: 2, verdict: 'drain' },
    { name: 'UDP to an endpoint that went', protocol: 'udp', port: 53, last: 1, verdict: 'forget' },
    { name: 'UDP to an endpoint that stays', protocol: 'udp', port: 53, last: 2, verdict: 'keep' },
    { name: 'UDP to one that gets nothing new, beside others', protocol: 'udp', port: 53, last: 3, verdict: 'forget' },
    { name: 'UDP to one that gets nothing new, alone', protocol: 'udp', port: 54, last: 3, verdict: 'keep' },
    { name: 'UDP to a closed port', protocol: 'udp', port: 55, last: 2, verdict: 'forget' },
  ] as const;
  const judge = judgeConnections(ports);
  for (const { name, port, last, verdict, ...one } of cases) {
    it(`decides to ${verdict} ${name}`, () => {
      const protocol = 'protocol' in one ? one.protocol : 'tcp';
      assert.equal(
        judge({
          protocol,
          port,
          destination: address('192.168.12.5'),
          endpoint: `10.128.10.${last} 7000`,
          established: !('half' in one),
          client: address('192.0.2.1'),
        }),
        verdict,
      );
    });
  }

  it('judges a connection to an own address of the node by its port there, or else by that of all addresses', () => {
    const placed = { address: address('192.168.12.5'), ofNode: true as const };
    const judgeAt = judgeConnections(
      [...ports, open({ ...placed, port: 14_000, endpoints: [endpoint(4)] })],
      false,
      virtual,
    );
    const verdictOf = (destination: string, port: number, last: number) =>
      judgeAt({
        protocol: 'tcp',
        port,
        destination: address(destination),
        endpoint: `10.128.10.${last} 7000`,
        established: true,
        client: address('192.0.2.1'),
      });
    assert.deepEqual(
      [
        verdictOf('192.168.12.5', 14_000, 4),
        verdictOf('192.168.12.6', 14_000, 4),
        verdictOf('192.168.12.5', 13_306, 2),
        verdictOf('192.168.12.5', 13_306, 4),
      ],
      ['keep', 'drain', 'keep', 'drain'],
    );
  });

  it('judges a connection to a virtual address by the ports of that address only', () => {
    const judgeAt = judgeConnections(
      [...ports, open({ address: address('192.0.2.10'), endpoints: [endpoint(4)] })],
      false,
      virtual,
    );
    const verdicts = ['192.0.2.10', '192.0.2.11', '192.168.12.5'].flatMap((destination) =>
      ['10.128.10.4 7000', '10.128.10.2 7000'].map((target) =>
        judgeAt({
          protocol: 'tcp',
          port: 13306,
          destination: address(destination),
          endpoint: target,
          established: true,
          client: address('192.0.2.1'),
        }),
      ),
    );
    assert.deepEqual(verdicts, ['keep', 'drain', 'drain', 'drain', 'drain', 'keep']);
  });

  it('forgets a client that an allow-list does not contain, if lists are strict', () => {
    const listed = [open({ allowed: prefixes, endpoints: [endpoint(2)] })];
    const destination = address('192.168.12.5');
    const connection = {
      protocol: 'tcp',
      port: 13306,
      destination,
      endpoint: '10.128.10.2 7000',
      established: true,
    } as const;
    const verdicts = ['10.9.9.9', '192.168.12.66', '2001:db8:1::1', '192.0.2.1'].flatMap((text) =>
      [true, false].map((isStrict) => judgeConnections(listed, isStrict)({ ...connection, client: address(text) })),
    );
    assert.deepEqual(verdicts, ['keep', 'keep', 'keep', 'keep', 'keep', 'keep', 'forget', 'keep']);
  });
});

describe('marks of agents', () => {
  it('are values of several bits within the field, and differ between names', () => {
    const names = ['ingress', 'ingress2', 'blue', 'green', 'a', 'b', 'tcp', 'edge-1', 'edge-2'];
    const marks = names.map(ingressMark);
    assert.equal(new Set(marks).size, names.length);
    for (const mark of marks) {
      assert.equal((mark & ~ingressMarkMask) >>> 0, 0);
      assert.ok(mark.toString(2).replaceAll('0', '').length >= 5, mark.toString(16));
    }
  });
});

describe('interleave', () => {
  it('gives each endpoint its share in every sequence of turns', () => {
    const slots = assignSlots([endpoint(1, 70), endpoint(2, 30)], 'roundrobin');
    const turns = interleave(slots).map((slot) => slot?.address.text);
    assert.equal(turns.length, 10);
    for (let start = 0; start < 10; start++) {
      const five = Array.from({ length: 5 }, (_, index) => turns[(start + index) % 10]);
      const first = five.filter((one) => one === '10.128.10.1').length;
      assert.ok(first === 3 || first === 4, `${first} of five from turn ${start}`);
    }
  });
});
