import assert from 'node:assert/strict';
import { parseGateway } from '../../../src/api/gateway.ts';
import { readObject } from '../../../src/api/kinds.ts';
import { parseL4Route } from '../../../src/api/l4-route.ts';
import { defaultPolicy } from '../../../src/ingress/claims/policy.ts';
import { Inventory } from '../../../src/ingress/objects/inventory.ts';
import { DesiredPorts } from '../../../src/ingress/ports/desired.ts';
import { formatProblem } from '../../../src/model/problem.ts';
import { writeRoute, writeSlice } from './samples.ts';

const created = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString();

function writeGateway(listeners: readonly object[], seconds = 0, gatewayClassName = 'ours'): object {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { namespace: 'shop', name: 'gw', uid: 'gw', creationTimestamp: created(seconds) },
    spec: { gatewayClassName, listeners },
  };
}

const mysql = { name: 'mysql', protocol: 'TCP', port: 13306 };
const dns = { name: 'dns', protocol: 'UDP', port: 5353 };

function writeL4Route(
  name: string,
  words: { kind?: string; seconds?: number; namespace?: string; parent?: object; backends?: readonly object[] } = {},
): object {
  const {
    kind = 'TCPRoute',
    seconds = 0,
    namespace = 'shop',
    parent = {},
    backends = [{ name: 'web', port: 3306 }],
  } = words;
  return {
    apiVersion: 'gateway.networking.k8s.io/v1alpha2',
    kind,
    metadata: { namespace, name, uid: name, creationTimestamp: created(seconds) },
    spec: { parentRefs: [{ namespace: 'shop', name: 'gw', ...parent }], rules: [{ backendRefs: backends }] },
  };
}

function inNamespace(namespace: string | undefined, object: Record<string, unknown>): object {
  return { ...object, metadata: { ...(object.metadata as object), namespace } };
}

/** What follows from objects, one line a port. */
function compute(...objects: readonly unknown[]): readonly string[] {
  const inventory = new Inventory();
  const journal = inventory.openJournal();
  const ports = [{ name: 'main', port: 3306 }];
  const webs = [
    ['shop', 'web'],
    ['shop', 'other'],
    ['bank', 'web'],
  ].flatMap(([namespace, name = ''], index) => [
    { apiVersion: 'v1', kind: 'Service', metadata: { namespace, name }, spec: { ports } },
    inNamespace(namespace, writeSlice(name, [{ address: `10.0.0.${index + 1}` }], [{ name: 'main', port: 33060 }])),
  ]);
  for (const object of [...webs, ...objects]) {
    const reading = readObject(object);
    if (reading.outcome !== 'object')
      throw new Error(`Cannot read the object of this test: ${JSON.stringify(reading)}`);
    inventory.put(reading.object);
  }
  const policy = { ...defaultPolicy, gatewayClass: 'ours', routerName: 'r1' };
  const desired = new DesiredPorts(inventory, { policy, defaults: { balance: 'source' }, node: 'n1' });
  const view = { listeners: new Set<string>(), dead: new Set<string>() };
  const { admissions, portsOfRequests } = desired.compute(journal.take(), view);
  return [
    ...portsOfRequests.flat().map(({ protocol, port, endpoints, refused }) => {
      const targets = endpoints.map(({ address, port: target, weight }) => `${address.text}:${target}=${weight}`);
      if (refused?.[4] !== undefined && endpoints.length > 0) targets.push(`refused=${refused[4]}`);
      return `${protocol} ${port} > ${targets.join(' ')}`;
    }),
    ...admissions.refused.map(({ request, reason }) => `${request.listener ?? request.meta.name} ${reason}`),
  ];
}

describe('Gateways', () => {
  it('lead the port of a listener to the Services of its route, by the ports of the Services', () => {
    const backends = [
      { name: 'web', port: 3306, weight: 1 },
      { name: 'other', port: 3306, weight: 3 },
    ];
    assert.deepEqual(compute(writeGateway([mysql]), writeL4Route('a', { backends })), [
      'tcp 13306 > 10.0.0.1:33060=85 10.0.0.2:33060=256',
    ]);
    assert.deepEqual(compute(writeGateway([mysql]), writeL4Route('a', { backends: [{ name: 'web', port: 33060 }] })), [
      'tcp 13306 > ',
    ]);
  });

  it('give connections to the oldest route, and refuse them without one', () => {
    const young = writeL4Route('a', { seconds: 2, backends: [{ name: 'other', port: 3306 }] });
    const old = writeL4Route('b', { seconds: 1 });
    assert.deepEqual(compute(writeGateway([mysql]), young, old), ['tcp 13306 > 10.0.0.1:33060=256']);
    assert.deepEqual(compute(writeGateway([mysql])), ['tcp 13306 > ']);
  });

  const attachments: readonly (readonly [name: string, listener: object, route: object, isAttached: boolean])[] = [
    ['of its section', mysql, { parent: { sectionName: 'mysql' } }, true],
    ['of another section', mysql, { parent: { sectionName: 'other' } }, false],
    ['of another port', mysql, { parent: { port: 1 } }, false],
    ['of another Gateway', mysql, { parent: { name: 'other' } }, false],
    ['of another protocol', mysql, { kind: 'UDPRoute' }, false],
    ['of another namespace', mysql, { namespace: 'bank' }, false],
    ['of any namespace', allowing({ from: 'All' }), { namespace: 'bank' }, true],
    ['of a chosen namespace', allowing({ from: 'Selector', selector: { matchLabels: { a: 'b' } } }), {}, true],
    ['of a namespace not chosen', allowing({ from: 'Selector', selector: { matchLabels: { a: 'c' } } }), {}, false],
    ['of nobody', allowing({ from: 'None' }), {}, false],
  ];
  function allowing(namespaces: object): object {
    return { ...mysql, allowedRoutes: { namespaces } };
  }
  const shop = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { a: 'b' } } };
  for (const [name, listener, route, isAttached] of attachments) {
    it(`${isAttached ? 'take' : 'leave'} a route ${name}`, () => {
      const target = name === 'of any namespace' ? '10.0.0.3' : '10.0.0.1';
      const want = isAttached ? `tcp 13306 > ${target}:33060=256` : 'tcp 13306 > ';
      assert.deepEqual(compute(shop, writeGateway([listener]), writeL4Route('a', route)), [want]);
    });
  }

  it('compete with Routes for ports, and are not served in another class', () => {
    const route = writeRoute({ created: 5, annotations: { 'wzh-router-name': 'r1' } });
    assert.deepEqual(compute(route, writeGateway([mysql, dns], 4)), [
      'udp 5353 > ',
      'tcp 13306 > ',
      'web PortAlreadyClaimed',
    ]);
    assert.deepEqual(compute(route, writeGateway([mysql], 6)), [
      'tcp 13306 > 10.0.0.1:33060=256',
      'mysql PortAlreadyClaimed',
    ]);
    assert.deepEqual(compute(writeGateway([mysql], 0, 'theirs')), []);
    assert.deepEqual(compute(writeGateway([{ ...mysql, port: 80 }])), ['mysql PortNotAllowed']);
  });

  it('leave listeners of other protocols to others', () => {
    assert.deepEqual(compute(writeGateway([{ name: 'web', protocol: 'HTTP', port: 8080 }])), []);
  });

  const wrong: readonly (readonly [listener: object, want: string])[] = [
    [{ ...mysql, port: 0 }, 'spec.listeners[0].port 0: must be a port from 1 to 65535'],
    [{ ...mysql, name: 'a;b' }, 'spec.listeners[0].name "a;b": must be lower-case letters, digits and "-"'],
    [
      { ...mysql, allowedRoutes: { namespaces: { from: 'Some' } } },
      'spec.listeners[0].allowedRoutes.namespaces.from "Some": must be Same, All, Selector or None',
    ],
  ];
  for (const [listener, want] of wrong) {
    it(`are refused with ${want.slice(0, 60)}`, () => {
      const read = parseGateway(writeGateway([listener]));
      assert.deepEqual(!read.ok && read.problems.map(formatProblem), [want]);
    });
  }

  const foreign = {
    backends: [
      { name: 'web', namespace: 'bank', port: 3306 },
      { name: 'web', port: 3306 },
    ],
  };

  it('refuse the share of a Service that does not exist, and all where there is no other', () => {
    const missing = { name: 'missing', port: 3306, weight: 3 };
    const half = writeL4Route('a', { backends: [{ name: 'web', port: 3306 }, missing] });
    assert.deepEqual(compute(writeGateway([mysql]), half), ['tcp 13306 > 10.0.0.1:33060=85 refused=256']);
    assert.deepEqual(compute(writeGateway([mysql]), writeL4Route('a', { backends: [missing] })), ['tcp 13306 > ']);
  });

  it('refuse the share of a Service of another namespace until that grants it', () => {
    const route = writeL4Route('a', foreign);
    assert.deepEqual(compute(writeGateway([mysql]), route), ['tcp 13306 > 10.0.0.1:33060=256 refused=256']);
    assert.deepEqual(compute(writeGateway([mysql]), route, writeGrant({})), [
      'tcp 13306 > 10.0.0.1:33060=256 10.0.0.3:33060=256',
    ]);
  });

  const grants: readonly (readonly [name: string, words: object, isEnough: boolean])[] = [
    ['for that Service', { to: { name: 'web' } }, true],
    ['for another Service', { to: { name: 'other' } }, false],
    ['for another kind', { to: { kind: 'Secret' } }, false],
    ['to another namespace', { from: { namespace: 'mall' } }, false],
    ['to another kind', { from: { kind: 'UDPRoute' } }, false],
    ['in another namespace', { namespace: 'mall' }, false],
  ];
  for (const [name, words, isEnough] of grants) {
    it(`${isEnough ? 'take' : 'do not take'} a grant ${name}`, () => {
      const [line = ''] = compute(writeGateway([mysql]), writeL4Route('a', foreign), writeGrant(words));
      assert.equal(line.includes('10.0.0.3'), isEnough, line);
    });
  }

  function writeGrant(words: { namespace?: string; from?: object; to?: object }): object {
    return {
      apiVersion: 'gateway.networking.k8s.io/v1beta1',
      kind: 'ReferenceGrant',
      metadata: { namespace: words.namespace ?? 'bank', name: 'grant' },
      spec: {
        from: [{ group: 'gateway.networking.k8s.io', kind: 'TCPRoute', namespace: 'shop', ...words.from }],
        to: [{ group: '', kind: 'Service', ...words.to }],
      },
    };
  }

  it('are refused with weights, ports and namespaces that are none', () => {
    const backends = [
      { name: 'web', namespace: 'b;ank', port: 1 },
      { name: 'web', port: 65536, weight: -1 },
    ];
    const read = parseL4Route(writeL4Route('a', { backends }), 'tcp');
    assert.deepEqual(!read.ok && read.problems.map(({ path }) => path), [
      'spec.rules[0].backendRefs[1].port',
      'spec.rules[0].backendRefs[1].weight',
      'spec.rules[0].backendRefs[0].namespace',
    ]);
  });
});
