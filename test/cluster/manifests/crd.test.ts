import assert from 'node:assert/strict';
import fc from 'fast-check';
import { toStructural } from '../../../src/base/kubernetes/structural-schema.ts';
import { formatProblem } from '../../../src/base/model/problem.ts';
import { isRecord } from '../../../src/base/read/shape.ts';
import { parseEgressRouterPool } from '../../../src/egress/api/egress-router.ts';
import { documentedEgressRouter } from '../../unit/egress/api/samples.ts';
import { readSchema, refuse } from './admission.ts';
import { readExamples, render } from './rendered.ts';
import { estimateRules, granted, grantedAtWork } from './rule-cost.ts';

function routerWith(spec: object): object {
  return { ...documentedEgressRouter, spec: { ...documentedEgressRouter.spec, ...spec } };
}

function withRule(rule: object): object {
  return routerWith({
    redirect: { redirectRules: [{ destinationIP: '10.0.0.99', port: 80, protocol: 'UDP', ...rule }] },
  });
}

/** Specs as people write them: often right, and wrong in one thing or another. */
const writtenSpec = (() => {
  const octet = fc.oneof({ weight: 6, arbitrary: fc.constantFrom(10, 12, 99) }, fc.integer({ min: 0, max: 260 }));
  const four = fc.tuple(octet, octet, octet, octet).map((parts) => parts.join('.'));
  const six = fc.constantFrom(
    '2001:db8::99',
    '2001:db8::1',
    'fd00::1',
    '::',
    '2001:db8:1:2:3:4:5:6',
    '::ffff:10.0.0.1',
  );
  const address = fc.oneof({ weight: 4, arbitrary: four }, six);
  const rule = fc.record(
    {
      destinationIP: address,
      port: fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 1, max: 65_535 }) }, fc.constantFrom(-1, 0, 65_536, 80)),
      protocol: fc.oneof({ weight: 6, arbitrary: fc.constantFrom('TCP', 'UDP', 'SCTP') }, fc.constant('ICMP')),
      targetPort: fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 1, max: 65_535 }) }, fc.constant(0)),
    },
    { requiredKeys: ['destinationIP', 'port', 'protocol'] },
  );
  const length = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 4, max: 30 }) }, fc.integer({ min: 0, max: 130 }));
  return fc.record({
    addresses: fc.array(
      fc.record(
        { ip: fc.tuple(address, length).map(([ip, bits]) => `${ip}/${bits}`), gateway: address },
        { requiredKeys: ['ip'] },
      ),
      { minLength: 0, maxLength: 2 },
    ),
    mode: fc.constantFrom('Redirect', undefined),
    redirect: fc.record({ redirectRules: fc.array(rule, { maxLength: 2 }), fallbackIP: address }, { requiredKeys: [] }),
  });
})();

/** What the controller makes of a router. */
const parsePool = (router: object) => parseEgressRouterPool((router as { spec?: unknown }).spec, 'spec');

describe('the CRD of EgressRouter', () => {
  it('accepts the router of OpenShift’s documentation, and every example', () => {
    assert.deepEqual(refuse(documentedEgressRouter), []);
    const routers = [...readExamples().values()].flat().filter(({ kind }) => kind === 'EgressRouter');
    assert.ok(routers.length > 2);
    for (const router of routers) assert.deepEqual(refuse(router), [], router.metadata.name);
  });

  const good: readonly (readonly [name: string, router: object])[] = [
    [
      'absent settings as writers in Go leave them',
      routerWith({ networkInterface: { macvlan: { mode: '', master: null } } }),
    ],
    [
      'a gateway elsewhere in a network of odd length',
      routerWith({ addresses: [{ ip: '10.1.7.9/22', gateway: '10.1.4.1' }] }),
    ],
    ['a pool', routerWith({ addresses: [{ ip: '192.168.12.98/24' }, { ip: '192.168.12.99/24' }] })],
    ['no gateway', routerWith({ addresses: [{ ip: '192.168.12.99/24' }] })],
    ['an empty gateway', routerWith({ addresses: [{ ip: '192.168.12.99/24', gateway: '' }] })],
    ['a destination with a mask', withRule({ destinationIP: '10.0.0.99/30' })],
    ['a name', withRule({ destinationIP: undefined, destinationName: 'api.partner.example' })],
    ['a name beside an empty address', withRule({ destinationIP: '', destinationName: 'API.Partner.example.' })],
    ['a fallback name', routerWith({ redirect: { fallbackName: 'rest.partner.example', balance: 'Source' } })],
    ['no rules', routerWith({ redirect: { fallbackIP: '203.0.113.30' } })],
  ];
  for (const [name, router] of good) {
    it(`accepts ${name}, as the plugin does`, () => {
      assert.deepEqual(refuse(router), []);
      assert.ok(parsePool(router).ok);
    });
  }

  const bad: readonly (readonly [name: string, router: object, says: RegExp])[] = [
    ['no addresses', routerWith({ addresses: [] }), /\/spec\/addresses must NOT have fewer than 1 items/],
    [
      'no spec',
      { apiVersion: documentedEgressRouter.apiVersion, kind: 'EgressRouter' },
      /must have required property 'spec'/,
    ],
    [
      'an address without a length',
      routerWith({ addresses: [{ ip: '192.168.12.99' }] }),
      /spec\.addresses\[0\]\.ip: must be an address with prefix length/,
    ],
    [
      'a name for an address',
      routerWith({ addresses: [{ ip: 'example.com/24' }] }),
      /must be an address with prefix length/,
    ],
    [
      'families that do not pair',
      routerWith({ addresses: [{ ip: '192.168.12.98/24' }, { ip: '192.168.12.99/24' }, { ip: '2001:db8::9/64' }] }),
      /equally many IPv4 and IPv6/,
    ],
    [
      'the address as gateway',
      routerWith({ addresses: [{ ip: '192.168.12.99/24', gateway: '192.168.12.99' }] }),
      /gateway must differ from ip/,
    ],
    [
      'a gateway of the other family',
      routerWith({ addresses: [{ ip: '192.168.12.99/24', gateway: '2001:db8::1' }] }),
      /gateway must be of the same family as ip/,
    ],
    ...(
      [
        ['192.168.12.99/24', '192.168.13.1'],
        ['192.168.12.99/28', '192.168.13.1'],
        ['10.1.12.99/16', '10.2.12.1'],
        ['10.1.12.99/22', '10.2.12.1'],
        ['10.1.12.99/8', '11.1.12.1'],
        ['10.1.12.99/15', '11.1.12.1'],
      ] as const
    ).map(
      ([ip, gateway]) =>
        [
          `${gateway} as gateway of ${ip}`,
          routerWith({ addresses: [{ ip, gateway }] }),
          /gateway must be in the network of ip/,
        ] as const,
    ),
    ['the address of the network', routerWith({ addresses: [{ ip: '192.168.12.0/24' }] }), /must be a host address/],
    [
      'a name beside an address',
      withRule({ destinationName: 'api.partner.example' }),
      /exactly one of destinationIP and destinationName is required/,
    ],
    [
      'neither a name nor an address',
      withRule({ destinationIP: undefined }),
      /exactly one of destinationIP and destinationName is required/,
    ],
    [
      'a name of one label',
      withRule({ destinationIP: '', destinationName: 'partner' }),
      /destinationName must match pattern/,
    ],
    [
      'a mistyped address as name',
      withRule({ destinationIP: '', destinationName: '10.0.0.256' }),
      /destinationName must match pattern/,
    ],
    [
      'a name of the host itself',
      withRule({ destinationIP: '', destinationName: 'db.localhost' }),
      /must not be a name of the router's own host/,
    ],
    [
      'two fallbacks',
      routerWith({ redirect: { fallbackIP: '203.0.113.30', fallbackName: 'rest.example' } }),
      /only one of fallbackIP and fallbackName is allowed/,
    ],
    ['300.0.0.1', withRule({ destinationIP: '300.0.0.1' }), /must be an IPv4 or IPv6 address/],
    ['leading zeros', withRule({ destinationIP: '10.0.0.099' }), /must be an IPv4 or IPv6 address/],
    [
      'a master with a long name',
      routerWith({ networkInterface: { macvlan: { master: 'an-interface-too-far' } } }),
      /master must NOT have more than 15 characters/,
    ],
    [
      'a gateway with a length',
      routerWith({ addresses: [{ ip: '192.168.12.99/24', gateway: '192.168.12.1/24' }] }),
      /without prefix length/,
    ],
    ['another mode', routerWith({ mode: 'Http' }), /\/spec\/mode must be equal to one of the allowed values/],
    ['port 0', withRule({ port: 0 }), /port must be >= 1/],
    ['port 65536', withRule({ port: 65_536 }), /port must be <= 65535/],
    ['a port as text', withRule({ port: '80' }), /port must be integer/],
    ['target port 0', withRule({ targetPort: 0 }), /targetPort must be >= 1/],
    ['another protocol', withRule({ protocol: 'ICMP' }), /protocol must be equal to one of the allowed values/],
    ['no protocol', withRule({ protocol: undefined }), /must have required property 'protocol'/],
    [
      'a name for a destination',
      withRule({ destinationIP: 'db.example.com' }),
      /destinationIP: must be an IPv4 or IPv6 address/,
    ],
    [
      'a destination of a family without address',
      withRule({ destinationIP: '2001:db8::9' }),
      /every destinationIP needs a reserved address of the same family/,
    ],
    [
      'a fallback of a family without address',
      routerWith({ redirect: { fallbackIP: '2001:db8::9' } }),
      /fallbackIP needs a reserved address of the same family/,
    ],
    [
      'another macvlan mode',
      routerWith({ networkInterface: { macvlan: { mode: 'Source' } } }),
      /mode must be equal to one of the allowed values/,
    ],
  ];
  for (const [name, router, says] of bad) {
    it(`rejects ${name}, as the plugin does`, () => {
      assert.match(refuse(JSON.parse(JSON.stringify(router))).join('\n'), says);
      // Two of them are no mistakes to the plugin: a spec is what it is given.
      if (name !== 'no spec') assert.equal(parsePool(router).ok, false);
    });
  }

  it('accepts all specs that the plugin accepts, and rejects the others except for checks that CEL cannot express', () => {
    const unknowable = [
      // Prefix lengths inside an octet, and IPv6.
      /gateway .* must be an address in .*(:.*|\/(?!8,|16,|24,)\d+), the network of the reserved address$/,
      /ip .* must be a host address, not the (network|broadcast) address$/,
      /gateway .* must be a host address, not the network or broadcast address of /,
      // Multicast, unspecified and loopback addresses.
      /must (be a routable unicast address|contain a routable unicast address, not ".*")$/,
      /gateway "(0|127|22[4-9]|2[3-5][0-9])\..*must be the IPv4 or IPv6 address of the gateway/,
      // IPv4-mapped addresses, and other text with a colon.
      /"[0-9a-f.]*:[^"]*".* must (be|contain) (an|the) IPv4 or IPv6 address/,
      // Duplicate addresses: comparing 32 addresses pairwise exceeds the CEL cost limit.
      /ip .* appears twice; each router of a pool needs its own address, so remove one of them$/,
      // Duplicate ports.
      /redirects IPv. port .* again, after/,
    ];
    let passed = 0;
    fc.assert(
      fc.property(writtenSpec, (spec) => {
        const router = JSON.parse(JSON.stringify({ ...documentedEgressRouter, spec }));
        const read = parsePool(router);
        const refused = refuse(router);
        if (read.ok) {
          passed++;
          assert.deepEqual(refused, []);
        } else if (refused.length === 0) {
          for (const problem of read.problems) {
            const text = formatProblem(problem);
            assert.ok(
              unknowable.some((one) => one.test(text)),
              text,
            );
          }
        }
      }),
      { numRuns: 5000 },
    );
    assert.ok(passed > 100, `only ${passed} were right`);
  });

  it("stays below the cost limit of the API server, by the server's own estimate", () => {
    const rules = estimateRules(readSchema(), 4);
    assert.ok(rules.length > 10);
    for (const { path, rule, total } of rules) assert.ok(total < granted.rule, `${path}: ${rule} costs ${total}`);
    const whole = rules.reduce((sum, { total }) => sum + total, 0);
    assert.ok(whole < granted.definition, `${whole}`);
    // A limit of a text that was four times as long would be too much: the estimate can say no.
    const longer = structuredClone(readSchema()) as { properties: { spec: { properties: Record<string, unknown> } } };
    const { redirect } = longer.properties.spec.properties as { redirect: typeof longer.properties.spec };
    const { redirectRules } = redirect.properties as { redirectRules: { items: typeof longer.properties.spec } };
    (redirectRules.items.properties.destinationIP as { maxLength: number }).maxLength *= 4;
    assert.ok(estimateRules(longer, 4).some(({ total }) => total > granted.rule));
  });

  it('stays below the cost limit at run time with ten thousand rules', () => {
    const rules = estimateRules(readSchema(), 1);
    for (const { path, rule, once } of rules) assert.ok(once < grantedAtWork.rule, `${path}: ${rule} costs ${once}`);
    const whole = rules.reduce((sum, { total }) => sum + total, 0);
    assert.ok(whole < grantedAtWork.object, `${whole}`);
  });

  it('contains only what Kubernetes accepts in a structural schema', () => {
    const allowed = new Set([
      'type',
      'description',
      'properties',
      'items',
      'required',
      'nullable',
      'pattern',
      'enum',
      'format',
      'minimum',
      'maximum',
      'minItems',
      'maxItems',
      'maxLength',
      'x-kubernetes-validations',
      'x-kubernetes-list-type',
      'x-kubernetes-list-map-keys',
    ]);
    const visit = (schema: Readonly<Record<string, unknown>>, path: string): void => {
      for (const key of Object.keys(schema)) assert.ok(allowed.has(key), `${path}: ${key}`);
      assert.equal(typeof schema.type, 'string', path);
      if (isRecord(schema.properties)) {
        for (const [key, part] of Object.entries(schema.properties))
          visit(part as Readonly<Record<string, unknown>>, `${path}.${key}`);
      }
      if (isRecord(schema.items)) visit(schema.items, `${path}[]`);
    };
    visit(readSchema(), '');
    assert.throws(() => toStructural({ anyOf: [{ type: 'string' }, { type: 'number' }] }), /choice of types/);
  });

  it('has one type per field, like all CRDs of the manifests: the API server cannot read a list of types', () => {
    const visit = (part: Readonly<Record<string, unknown>>, path: string): void => {
      const isOpen =
        part['x-kubernetes-int-or-string'] === true || part['x-kubernetes-preserve-unknown-fields'] === true;
      if (part.type !== undefined || !isOpen) assert.equal(typeof part.type, 'string', path);
      for (const [key, one] of Object.entries(isRecord(part.properties) ? part.properties : {}))
        visit(one as Readonly<Record<string, unknown>>, `${path}.${key}`);
      if (isRecord(part.items)) visit(part.items, `${path}[]`);
      if (isRecord(part.additionalProperties)) visit(part.additionalProperties, `${path}{}`);
    };
    const names = new Set<string>();
    for (const { kind, metadata, spec } of (['default', 'ingress-controllers'] as const).flatMap((one) =>
      render(one),
    )) {
      if (kind !== 'CustomResourceDefinition') continue;
      names.add(metadata.name);
      for (const { schema } of spec.versions) visit(schema.openAPIV3Schema, metadata.name);
    }
    assert.equal(names.size, 4);
    assert.deepEqual(toStructural({ type: ['number', 'null'] }), { type: 'number', nullable: true });
    assert.throws(() => toStructural({ type: ['number', 'string'] }), /choice of types/);
  });
});
