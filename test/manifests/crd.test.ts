import assert from 'node:assert/strict';
import fc from 'fast-check';
import { toStructural } from '../../src/crd/structural.ts';
import { parseEgressRouter } from '../../src/spec/egress-router.ts';
import { isRecord } from '../../src/spec/shape.ts';
import { documentedEgressRouter } from '../unit/spec/samples.ts';
import { readSchema, refuse } from './admission.ts';
import { readExamples } from './rendered.ts';

function routerWith(spec: object): object {
  return { ...documentedEgressRouter, spec: { ...documentedEgressRouter.spec, ...spec } };
}

function withRule(rule: object): object {
  return routerWith({
    redirect: { redirectRules: [{ destinationIP: '10.0.0.99', port: 80, protocol: 'UDP', ...rule }] },
  });
}

describe('the CRD of EgressRouter', () => {
  it('takes the router of OpenShift’s documentation, and every example', () => {
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
    ['no gateway', routerWith({ addresses: [{ ip: '192.168.12.99/24' }] })],
    ['an empty gateway', routerWith({ addresses: [{ ip: '192.168.12.99/24', gateway: '' }] })],
    ['a destination with a mask', withRule({ destinationIP: '10.0.0.99/30' })],
    ['no rules', routerWith({ redirect: { fallbackIP: '203.0.113.30' } })],
  ];
  for (const [name, router] of good) {
    it(`takes ${name}, as the plugin does`, () => {
      assert.deepEqual(refuse(router), []);
      assert.ok(parseEgressRouter(router).ok);
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
      /spec\.addresses\[0\]\.ip: must be an address with its network’s length/,
    ],
    [
      'a name for an address',
      routerWith({ addresses: [{ ip: 'example.com/24' }] }),
      /must be an address with its network’s length/,
    ],
    [
      'two addresses of a family',
      routerWith({ addresses: [{ ip: '192.168.12.98/24' }, { ip: '192.168.12.99/24' }] }),
      /at most one of IPv4 and one of IPv6/,
    ],
    [
      'the address as gateway',
      routerWith({ addresses: [{ ip: '192.168.12.99/24', gateway: '192.168.12.99' }] }),
      /gateway must be another address than ip/,
    ],
    [
      'a gateway of the other family',
      routerWith({ addresses: [{ ip: '192.168.12.99/24', gateway: '2001:db8::1' }] }),
      /gateway must be of the family of ip/,
    ],
    [
      'a gateway with a length',
      routerWith({ addresses: [{ ip: '192.168.12.99/24', gateway: '192.168.12.1/24' }] }),
      /without a length/,
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
      /every destinationIP must be of a family that has a reserved address/,
    ],
    [
      'a fallback of a family without address',
      routerWith({ redirect: { fallbackIP: '2001:db8::9' } }),
      /fallbackIP must be of a family/,
    ],
    [
      'another macvlan mode',
      routerWith({ networkInterface: { macvlan: { mode: 'Source' } } }),
      /mode must be equal to one of the allowed values/,
    ],
  ];
  for (const [name, router, says] of bad) {
    it(`refuses ${name}, as the plugin does`, () => {
      assert.match(refuse(JSON.parse(JSON.stringify(router))).join('\n'), says);
      // Two of them are no mistakes to the plugin: a spec is what it is given.
      if (name !== 'no spec') assert.equal(parseEgressRouter(router).ok, false);
    });
  }

  it('refuses nothing that the plugin takes, of what people write', () => {
    const octet = fc.integer({ min: 0, max: 260 });
    const four = fc.tuple(octet, octet, octet, octet).map((parts) => parts.join('.'));
    const six = fc.constantFrom('2001:db8::99', 'fd00::1', '::', '2001:db8:1:2:3:4:5:6', '::ffff:10.0.0.1');
    const address = fc.oneof(four, six);
    const rule = fc.record({
      destinationIP: address,
      port: fc.integer({ min: -1, max: 65_537 }),
      protocol: fc.constantFrom('TCP', 'UDP', 'SCTP', 'ICMP'),
      targetPort: fc.option(fc.integer({ min: -1, max: 65_537 }), { nil: undefined }),
    });
    const spec = fc.record({
      addresses: fc.array(
        fc.record(
          {
            ip: fc.tuple(address, fc.integer({ min: 0, max: 130 })).map(([ip, length]) => `${ip}/${length}`),
            gateway: address,
          },
          { requiredKeys: ['ip'] },
        ),
        { maxLength: 3 },
      ),
      mode: fc.constantFrom('Redirect', undefined),
      redirect: fc.record(
        { redirectRules: fc.array(rule, { maxLength: 3 }), fallbackIP: address },
        { requiredKeys: [] },
      ),
    });
    fc.assert(
      fc.property(spec, (one) => {
        const router = JSON.parse(JSON.stringify({ ...documentedEgressRouter, spec: one }));
        if (parseEgressRouter(router).ok) assert.deepEqual(refuse(router), []);
      }),
      { numRuns: 2000 },
    );
  });

  it('has nothing that Kubernetes does not take in a structural schema', () => {
    const allowed = new Set([
      'type',
      'description',
      'properties',
      'items',
      'required',
      'nullable',
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
});
