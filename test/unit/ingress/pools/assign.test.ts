import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Address, parseAddress } from '../../../../src/base/model/address.ts';
import { formatRange, parseAddressRange } from '../../../../src/base/model/address-range.ts';
import { formatProblem } from '../../../../src/base/model/problem.ts';
import { type AddressClaim, type AssignmentInput, assignAddresses } from '../../../../src/ingress/pools/assign.ts';
import { type AddressPool, parseAddressPool } from '../../../../src/ingress/pools/pool.ts';
import { parsePoolOption } from '../../../../src/ingress/pools/pool-option.ts';

const at = (text: string): Address => parseAddress(text) as Address;

function pool(name: string, spec: object, seconds = 0): AddressPool {
  const creationTimestamp = new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString();
  const read = parseAddressPool({ metadata: { name, uid: name, creationTimestamp }, spec });
  if (!read.ok) throw new Error(read.problems.map(formatProblem).join('; '));
  return read.value;
}

interface ClaimSketch {
  readonly name: string;
  readonly age?: number;
  readonly namespace?: string;
  readonly asked?: readonly string[];
  readonly recorded?: readonly string[];
  readonly families?: AddressClaim['families'];
  readonly pool?: string;
}

function claim(sketch: ClaimSketch): AddressClaim {
  const { name, age = 0, namespace = 'shop', asked = [], recorded = [], families, pool: only } = sketch;
  return {
    ...(only !== undefined && { pool: only }),
    kind: 'Gateway',
    meta: { namespace, name, uid: name, created: 1_000_000 - age, labels: {} },
    asked: asked.map(at),
    recorded: recorded.map(at),
    families: families ?? (asked.length > 0 ? [] : [4]),
  };
}

function assign(
  pools: readonly AddressPool[],
  claims: readonly ClaimSketch[],
  more: Partial<AssignmentInput> = {},
): Readonly<Record<string, string>> {
  const labels: Readonly<Record<string, Record<string, string>>> = { shop: { tier: 'web' }, bank: {} };
  const input = { pools, claims: claims.map(claim), router: [], foreign: [], ...more };
  const { claims: decided } = assignAddresses({ ...input, labelsOf: (namespace) => labels[namespace] });
  return Object.fromEntries(
    Array.from(decided, ([uid, { addresses, refusal }]) => [
      uid,
      refusal?.reason ?? addresses.map(({ text }) => text).join(),
    ]),
  );
}

const three = pool('lan', { addresses: ['192.0.2.10-192.0.2.12'] });

describe('assignAddresses', () => {
  it('gives every object one address per family, and none twice', () => {
    const both = pool('both', { addresses: ['192.0.2.10-192.0.2.12', '2001:db8::1', '2001:db8::2'] });
    const names = ['a', 'b', 'c', 'd'];
    const found = Object.values(
      assign(
        [both],
        names.map((name) => ({ name, families: [4, 6] })),
      ),
    );
    const addresses = found.filter((one) => one !== 'AddressNotAssigned').flatMap((one) => one.split(','));
    assert.equal(new Set(addresses).size, 5);
    assert.equal(addresses.length, 5);
    // The youngest gets nothing; one has only IPv4, because there are two addresses of IPv6.
    assert.equal(found.filter((one) => one === 'AddressNotAssigned').length, 1);
  });

  const rows: readonly (readonly [
    name: string,
    pools: readonly AddressPool[],
    claims: readonly ClaimSketch[],
    want: Readonly<Record<string, string>>,
  ])[] = [
    [
      'gives a requested address to the oldest object',
      [three],
      [
        { name: 'young', age: 1, asked: ['192.0.2.11'] },
        { name: 'old', age: 2, asked: ['192.0.2.11'] },
      ],
      { old: '192.0.2.11', young: 'AddressNotAssigned' },
    ],
    [
      'keeps the recorded address of an older object from a younger request',
      [three],
      [
        { name: 'old', age: 2, recorded: ['192.0.2.11'] },
        { name: 'young', age: 1, asked: ['192.0.2.11'] },
      ],
      { old: '192.0.2.11', young: 'AddressNotAssigned' },
    ],
    [
      'believes the status of the older of two with one recorded address',
      [pool('two', { addresses: ['192.0.2.11', '192.0.2.12'] })],
      [
        { name: 'forger', age: 1, recorded: ['192.0.2.11'] },
        { name: 'old', age: 2, recorded: ['192.0.2.11'] },
      ],
      { old: '192.0.2.11', forger: '192.0.2.12' },
    ],
    [
      'ignores a recorded address outside the pools',
      [pool('one', { addresses: ['192.0.2.11'] })],
      [{ name: 'a', recorded: ['198.51.100.1'] }],
      { a: '192.0.2.11' },
    ],
    [
      'rejects a request outside the pools of the namespace',
      [three, pool('bank', { addresses: ['198.51.100.1'], namespaces: { names: ['bank'] } })],
      [
        { name: 'outside', asked: ['203.0.113.1'] },
        { name: 'foreign', asked: ['198.51.100.1'] },
        { name: 'admitted', namespace: 'bank', asked: ['198.51.100.1'] },
      ],
      { outside: 'AddressNotUsable', foreign: 'AddressNotUsable', admitted: '198.51.100.1' },
    ],
    [
      'assigns nothing to a namespace that no pool admits, which has the addresses of the nodes',
      [pool('web', { addresses: ['192.0.2.10'], namespaces: { selector: { matchLabels: { tier: 'web' } } } })],
      [{ name: 'shop' }, { name: 'bank', namespace: 'bank' }, { name: 'gone', namespace: 'gone' }],
      { shop: '192.0.2.10' },
    ],
    [
      'assigns all requested addresses or none',
      [three],
      [
        { name: 'half', age: 3, asked: ['192.0.2.10', '203.0.113.1'] },
        { name: 'whole', age: 2, asked: ['192.0.2.10', '192.0.2.12'] },
        { name: 'late', age: 1, asked: ['192.0.2.11', '192.0.2.12'] },
        { name: 'any' },
      ],
      { half: 'AddressNotUsable', whole: '192.0.2.10,192.0.2.12', late: 'AddressNotAssigned', any: '192.0.2.11' },
    ],
    [
      'assigns the address of the named pool only, if it admits the namespace',
      [
        pool('one', { addresses: ['192.0.2.11'] }),
        pool('two', { addresses: ['192.0.2.12', '192.0.2.13'] }),
        pool('bank', { addresses: ['198.51.100.1'], namespaces: { names: ['bank'] } }),
      ],
      [
        { name: 'second', age: 5, pool: 'two', recorded: ['192.0.2.13'] },
        { name: 'moved', age: 4, pool: 'two', recorded: ['192.0.2.11'] },
        { name: 'outside', age: 3, pool: 'two', asked: ['192.0.2.11'] },
        { name: 'late', age: 2, pool: 'two' },
        { name: 'foreign', age: 1, pool: 'bank' },
        { name: 'unknown', pool: 'three' },
      ],
      { second: '192.0.2.13', moved: '192.0.2.12', outside: 'AddressNotUsable', late: 'AddressNotAssigned' },
    ],
    [
      'serves routers of IngressControllers first where the pool names their namespace, and takes no address in use',
      [pool('one', { addresses: ['192.0.2.11', '192.0.2.12'], namespaces: { names: ['openshift-ingress', 'shop'] } })],
      [
        { name: 'thief', age: 9, asked: ['192.0.2.11'] },
        { name: 'old', age: 8, recorded: ['192.0.2.12'] },
        { name: 'router', age: 1, namespace: 'openshift-ingress', recorded: ['192.0.2.11'] },
        { name: 'second', namespace: 'openshift-ingress' },
      ],
      { router: '192.0.2.11', old: '192.0.2.12', thief: 'AddressNotAssigned', second: 'AddressNotAssigned' },
    ],
    [
      'decides by age where the pool names no namespace',
      [pool('one', { addresses: ['192.0.2.11'] })],
      [
        { name: 'old', age: 9, asked: ['192.0.2.11'] },
        { name: 'router', namespace: 'openshift-ingress', recorded: ['192.0.2.11'] },
      ],
      { old: '192.0.2.11', router: 'AddressNotAssigned' },
    ],
    [
      'reports a full pool',
      [pool('one', { addresses: ['192.0.2.11'] })],
      [{ name: 'a', age: 1 }, { name: 'b' }],
      {
        a: '192.0.2.11',
        b: 'AddressNotAssigned',
      },
    ],
  ];
  for (const [name, pools, claims, want] of rows) it(name, () => assert.deepEqual(assign(pools, claims), want));

  it('does not depend on the order of objects, and keeps addresses when a pool grows or others come', () => {
    const names = fc.uniqueArray(fc.integer({ min: 0, max: 50 }), { maxLength: 12 });
    fc.assert(
      fc.property(names, fc.integer({ min: 0, max: 12 }), (ids, kept) => {
        const sketches = ids.map((id) => ({ name: `g${id}`, age: id % 4 }));
        const small = pool('p', { addresses: ['192.0.2.0/28'] });
        const first = assign([small], sketches);
        assert.deepEqual(assign([small], [...sketches].reverse()), first);
        // Statuses contain what was assigned; a few objects are gone.
        const recorded = sketches.slice(0, kept).map((one) => ({ ...one, recorded: [first[one.name] as string] }));
        const grown = assign([pool('p', { addresses: ['192.0.2.0/26'] })], [...recorded, { name: 'new', age: 9 }]);
        for (const { name } of recorded) assert.equal(grown[name], first[name]);
        assert.equal(new Set(Object.values(grown)).size, recorded.length + 1);
      }),
    );
  });

  it('gives the router its addresses first, and reports one that no pool has', () => {
    const { claims, router, reserved, problems } = assignAddresses({
      pools: [three],
      claims: [claim({ name: 'a', age: 9, asked: ['192.0.2.11'] })],
      router: [at('192.0.2.11'), at('192.0.2.99')],
      foreign: [],
      labelsOf: () => undefined,
    });
    assert.equal(claims.get('a')?.refusal?.reason, 'AddressNotAssigned');
    assert.deepEqual(
      router.map(({ text }) => text),
      ['192.0.2.11'],
    );
    assert.deepEqual(reserved.map(formatRange), ['192.0.2.10', '192.0.2.12']);
    assert.deepEqual(problems, ["the router's address 192.0.2.99 is in no pool; add it to an IngressAddressPool"]);
  });

  it('assigns no address of a node, of pods, of a Service or of an older pool, and counts the rest', () => {
    const foreign = [
      { range: parseAddressRange('192.0.2.10'), what: 'node n1' },
      { range: parseAddressRange('198.51.100.0/24'), what: 'pods of a node' },
    ].flatMap(({ range, what }) => (range === undefined ? [] : [{ range, what }]));
    const young = pool('young', { addresses: ['192.0.2.12-192.0.2.13', '198.51.100.255-198.51.101.0'] }, 1);
    const { pools, ranges } = assignAddresses({
      pools: [young, three],
      claims: [claim({ name: 'a' })],
      router: [],
      foreign,
      labelsOf: () => undefined,
    });
    assert.deepEqual(
      pools.map((one) => [one.pool.meta.name, one.assigned, one.free, one.problems]),
      [
        ['lan', 1, 1, ['192.0.2.10 is not assigned, because it belongs to node n1']],
        [
          'young',
          0,
          2,
          [
            '198.51.100.255 is not assigned, because it belongs to pods of a node',
            '192.0.2.12 is not assigned, because it belongs to an older pool',
          ],
        ],
      ],
    );
    assert.deepEqual(ranges.map(formatRange), ['192.0.2.11-192.0.2.13', '198.51.101.0']);
  });
});

describe('parseAddressPool', () => {
  const wrong: readonly (readonly [spec: object, problem: string])[] = [
    [{}, 'spec.addresses missing: must be a list of addresses, ranges and networks'],
    [{ addresses: [] }, 'spec.addresses []: must be an address, a range'],
    [{ addresses: ['192.0.2.1-9'] }, 'spec.addresses[0] "192.0.2.1-9": must be an address, a range'],
    [{ addresses: ['10.0.0.0/8'] }, 'spec.addresses[0] "10.0.0.0/8": must have at most 65536 addresses'],
    [
      { addresses: ['10.0.0.0/16', '10.2.0.0/16'] },
      'spec.addresses 131072: must have at most 65536 addresses in total',
    ],
    [{ addresses: ['127.0.0.1'] }, 'spec.addresses[0] "127.0.0.1": must be unicast addresses'],
    [{ addresses: ['fe80::1'] }, 'spec.addresses[0] "fe80::1": must be unicast addresses'],
    [
      { addresses: ['192.0.2.1'], subnet: '198.51.100.0/24' },
      'spec.addresses[0] "192.0.2.1": must be inside spec.subnet',
    ],
    [{ addresses: ['192.0.2.1'], subnet: '192.0.2.1/24' }, 'spec.subnet "192.0.2.1/24": must be a network'],
    [{ addresses: ['192.0.2.1'], interface: 'a/b' }, 'spec.interface "a/b": must be the name of an interface'],
    [
      { addresses: ['192.0.2.1'], interface: 'eth0', subnet: '192.0.2.0/24' },
      'spec.subnet "192.0.2.0/24": must be absent with spec.interface',
    ],
    [{ addresses: ['192.0.2.1'], namespaces: { names: ['A'] } }, 'spec.namespaces.names[0] "A": must be the name'],
    [
      { addresses: ['192.0.2.1'], nodeSelector: { matchExpressions: [{ key: 'a', operator: 'Is' }] } },
      'spec.nodeSelector',
    ],
  ];
  for (const [spec, problem] of wrong) {
    it(`rejects ${JSON.stringify(spec)}`, () => {
      const read = parseAddressPool({ metadata: { name: 'p' }, spec });
      const found = read.ok ? [] : read.problems.map(formatProblem);
      assert.ok(found[0]?.startsWith(problem), found.join('\n'));
      assert.equal(found.length, 1);
    });
  }

  it('excludes the network and broadcast addresses of a subnet', () => {
    const { addresses } = pool('p', { addresses: ['192.0.2.0/24'], subnet: '192.0.2.0/24' });
    assert.deepEqual(addresses, ['192.0.2.1-192.0.2.254']);
  });

  it('admits no namespace if namespaces is empty', () => {
    const closed = pool('p', { addresses: ['192.0.2.1'], namespaces: {} });
    assert.deepEqual(assign([closed], [{ name: 'a' }]), {});
  });
});

describe('parsePoolOption', () => {
  it('parses names, ranges, the interface and namespaces', () => {
    const read = parsePoolOption('lan=192.0.2.10-192.0.2.19, 2001:db8::10; interface=eth0; namespaces=shop,bank');
    assert.ok(read?.ok);
    const { meta, addresses, interface: link, namespaces } = read.value;
    assert.deepEqual(
      [meta.name, addresses, link, [...(namespaces?.names ?? [])]],
      ['lan', ['192.0.2.10-192.0.2.19', '2001:db8::10'], 'eth0', ['shop', 'bank']],
    );
  });

  for (const text of ['', 'lan', 'lan=', '=192.0.2.1', 'lan=192.0.2.1;color=red', 'lan=192.0.2.1;interface=']) {
    it(`rejects "${text}"`, () => assert.equal(parsePoolOption(text), undefined));
  }
});
