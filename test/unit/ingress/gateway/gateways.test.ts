import assert from 'node:assert/strict';
import { defaultPolicy } from '../../../../src/ingress/claims/policy.ts';
import { parseGateway } from '../../../../src/ingress/gateway/gateway.ts';
import { parseL4Route } from '../../../../src/ingress/gateway/l4-route.ts';
import { Inventory } from '../../../../src/ingress/objects/inventory.ts';
import { readObject } from '../../../../src/ingress/objects/kinds.ts';
import { DesiredPorts } from '../../../../src/ingress/ports/desired.ts';
import { writeRoute, writeSlice } from '../samples.ts';

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
  return computeWith({ gatewayClass: 'ours' }, ...objects);
}

function computeWith(
  { gatewayClass }: { readonly gatewayClass: string | undefined },
  ...objects: readonly unknown[]
): readonly string[] {
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
  const policy = { ...defaultPolicy, ...(gatewayClass !== undefined && { gatewayClass }), routerName: 'r1' };
  const ownPorts = { http: 80, https: 443 };
  const desired = new DesiredPorts(inventory, { policy, defaults: { balance: 'source' }, node: 'n1', ownPorts });
  const addresses = ['192.0.2.10', '2001:db8::10'];
  const view = { listeners: new Set(['tcp 22', 'tcp 8888']), dead: new Set<string>(), addresses };
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

describe('Listeners for hosts', () => {
  const http = (name: string, port: number) => ({ name, protocol: 'HTTP', port });

  it('claim their ports, so that they take none of the node, of Routes or of other programs', () => {
    const names = compute(
      writeGateway([http('own', 80), http('free', 8080), http('ssh', 22), http('kubelet', 10_250), http('used', 8888)]),
    );
    assert.deepEqual(names.toSorted(), ['kubelet PortNotAllowed', 'ssh PortNotAllowed', 'used PortInUseOnNode']);
  });

  it('share a port of one or several Gateways, and leave it to an older Route', () => {
    const twice = (seconds: number) =>
      writeGateway([http('a', 13_306), { ...http('b', 13_306), hostname: 'b.test' }], seconds);
    assert.deepEqual(compute(twice(4)), []);
    const route = writeRoute({ created: 5, annotations: { 'wzh-router-name': 'r1' } });
    assert.deepEqual(compute(route, twice(4)), ['web PortAlreadyClaimed']);
    assert.deepEqual(compute(route, twice(6)), ['tcp 13306 > 10.0.0.1:33060=256', 'a PortAlreadyClaimed']);
  });
});

describe('Gateways', () => {
  it('forward the port of a listener to the Services of its route, by Service port', () => {
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

  it('assign connections to the oldest route, and reject them without a route', () => {
    const young = writeL4Route('a', { seconds: 2, backends: [{ name: 'other', port: 3306 }] });
    const old = writeL4Route('b', { seconds: 1 });
    assert.deepEqual(compute(writeGateway([mysql]), young, old), ['tcp 13306 > 10.0.0.1:33060=256']);
    assert.deepEqual(compute(writeGateway([mysql])), ['tcp 13306 > ']);
  });

  const attachments: readonly (readonly [name: string, listener: object, route: object, isAttached: boolean])[] = [
    ['that names the listener', mysql, { parent: { sectionName: 'mysql' } }, true],
    ['that names another listener', mysql, { parent: { sectionName: 'other' } }, false],
    ['that names another port', mysql, { parent: { port: 1 } }, false],
    ['that names another Gateway', mysql, { parent: { name: 'other' } }, false],
    ['of another protocol', mysql, { kind: 'UDPRoute' }, false],
    ['from another namespace', mysql, { namespace: 'bank' }, false],
    ['of any namespace', allowing({ from: 'All' }), { namespace: 'bank' }, true],
    ['from a selected namespace', allowing({ from: 'Selector', selector: { matchLabels: { a: 'b' } } }), {}, true],
    [
      'from a namespace that is not selected',
      allowing({ from: 'Selector', selector: { matchLabels: { a: 'c' } } }),
      {},
      false,
    ],
    ['from no namespace', allowing({ from: 'None' }), {}, false],
    [
      'from a namespace that an expression selects',
      choosing({ key: 'a', operator: 'In', values: ['b', 'c'] }),
      {},
      true,
    ],
    ['from a namespace that NotIn selects', choosing({ key: 'a', operator: 'NotIn', values: ['b'] }), {}, false],
    ['from a namespace with a label', choosing({ key: 'a', operator: 'Exists' }), {}, true],
    ['from a namespace without a label', choosing({ key: 'c', operator: 'DoesNotExist', values: [] }), {}, true],
    ['with a missing selector', allowing({ from: 'Selector' }), {}, false],
    ['with an empty selector', allowing({ from: 'Selector', selector: {} }), {}, true],
    ['of its kind', { ...mysql, allowedRoutes: { kinds: [{ kind: 'TCPRoute' }, { kind: 'X' }] } }, {}, true],
    ['of a kind that is not listed', { ...mysql, allowedRoutes: { kinds: [{ kind: 'UDPRoute' }] } }, {}, false],
    [
      'of a kind in another group',
      { ...mysql, allowedRoutes: { kinds: [{ group: 'a.b', kind: 'TCPRoute' }] } },
      {},
      false,
    ],
  ];
  function choosing(expression: object): object {
    return allowing({ from: 'Selector', selector: { matchExpressions: [expression] } });
  }
  function allowing(namespaces: object): object {
    return { ...mysql, allowedRoutes: { namespaces } };
  }
  const shop = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { a: 'b' } } };
  for (const [name, listener, route, isAttached] of attachments) {
    it(`${isAttached ? 'accept' : 'ignore'} a route ${name}`, () => {
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

  it('ignore listeners of other protocols', () => {
    assert.deepEqual(compute(writeGateway([{ name: 'web', protocol: 'HTTP', port: 8080 }])), []);
  });

  const wrong: readonly (readonly [listener: object, want: string])[] = [
    [{ ...mysql, name: 'x', port: 0 }, 'spec.listeners[0].port 0: must be a port from 1 to 65535'],
    [{ ...mysql, name: 'a;b' }, 'spec.listeners[0].name "a;b": must be lower-case letters, digits, "-" and "."'],
    [mysql, 'spec.listeners[1].name "mysql": must be unique'],
    [
      { ...mysql, name: 'x', allowedRoutes: { namespaces: { from: 'Some' } } },
      'spec.listeners[0].allowedRoutes.namespaces.from "Some": must be Same, All, Selector or None',
    ],
    [
      { ...mysql, name: 'x', allowedRoutes: { namespaces: { from: 'Selector', selector: { matchLabels: { a: 1 } } } } },
      'spec.listeners[0].allowedRoutes.namespaces.selector {"matchLabels":{"a":1}}: must be a label selector',
    ],
  ];
  for (const [listener, want] of wrong) {
    it(`report an invalid listener, and serve the others: ${want.slice(0, 60)}`, () => {
      const gateway = writeGateway([listener, mysql]);
      const read = parseGateway(gateway);
      const told = read.ok ? read.value.listeners : [];
      const problems = told.flatMap((one) => (one.kind === 'unreadable' ? [one.problem] : []));
      assert.deepEqual([...problems, ...(read.ok ? read.value.problems : [])], [want]);
      assert.deepEqual(compute(gateway, writeL4Route('a')), ['tcp 13306 > 10.0.0.1:33060=256']);
    });
  }

  it('accept listeners with dotted names, and routes that name them', () => {
    const dotted = { ...mysql, name: 'mysql.shop' };
    const route = writeL4Route('a', { parent: { sectionName: 'mysql.shop' } });
    assert.deepEqual(compute(writeGateway([dotted]), route), ['tcp 13306 > 10.0.0.1:33060=256']);
  });

  it('serve neither of two listeners with the same port and protocol, and both if the protocols differ', () => {
    const twin = { ...mysql, name: 'twin' };
    assert.deepEqual(compute(writeGateway([mysql, twin, dns]), writeL4Route('a')), ['udp 5353 > ']);
    const udp = { ...twin, protocol: 'UDP' };
    assert.deepEqual(compute(writeGateway([mysql, udp]), writeL4Route('a')), [
      'tcp 13306 > 10.0.0.1:33060=256',
      'udp 13306 > ',
    ]);
  });

  const classes: readonly (readonly [
    name: string,
    narrowed: string | undefined,
    spec: object | undefined,
    want: boolean,
  ])[] = [
    ['of this controller', undefined, { controllerName: 'egress-router.io/ingress-agent' }, true],
    ['of this controller that the option names', 'ours', { controllerName: 'egress-router.io/ingress-agent' }, true],
    [
      'of this controller, but another than the option names',
      'mine',
      { controllerName: 'egress-router.io/ingress-agent' },
      false,
    ],
    ['of another controller', undefined, { controllerName: 'example.com/other' }, false],
    ['of another controller that the option names', 'ours', { controllerName: 'example.com/other' }, false],
    ['that is not defined', undefined, undefined, false],
    ['that is not defined but named by the option', 'ours', undefined, true],
    [
      'with parameters',
      undefined,
      { controllerName: 'egress-router.io/ingress-agent', parametersRef: { group: '', kind: 'ConfigMap', name: 'a' } },
      false,
    ],
  ];
  for (const [name, gatewayClass, spec, want] of classes) {
    it(`are ${want ? 'served' : 'ignored'} in a class ${name}`, () => {
      const one = {
        apiVersion: 'gateway.networking.k8s.io/v1',
        kind: 'GatewayClass',
        metadata: { name: 'ours' },
        spec,
      };
      const objects = [writeGateway([mysql]), ...(spec === undefined ? [] : [one])];
      assert.deepEqual(computeWith({ gatewayClass }, ...objects), want ? ['tcp 13306 > '] : []);
    });
  }

  const addresses: readonly (readonly [asked: readonly object[], isServed: boolean])[] = [
    [[{ type: 'IPAddress', value: '192.0.2.10' }], true],
    [[{ value: '2001:DB8:0::10' }], true],
    [[{ type: 'IPAddress' }], true],
    [[{ value: '192.0.2.11' }], false],
    [[{ type: 'Hostname', value: 'a.example.com' }], false],
    [[{ value: '192.0.2.10' }, { value: '192.0.2.11' }], false],
  ];
  for (const [asked, isServed] of addresses) {
    it(`are ${isServed ? 'served' : 'not served'} if they request ${JSON.stringify(asked)}`, () => {
      const gateway = writeGateway([mysql]) as { spec: object };
      const object = { ...gateway, spec: { ...gateway.spec, addresses: asked } };
      assert.deepEqual(compute(object), isServed ? ['tcp 13306 > '] : []);
    });
  }

  it('serve the first valid rule of a route', () => {
    const route = writeL4Route('a') as { spec: { rules: readonly unknown[] } };
    const object = { ...route, spec: { ...route.spec, rules: ['nonsense', { backendRefs: 5 }, ...route.spec.rules] } };
    assert.deepEqual(compute(writeGateway([mysql]), object), ['tcp 13306 > 10.0.0.1:33060=256']);
  });

  const refusing: readonly (readonly [name: string, backend: object])[] = [
    ['of another kind', { kind: 'ConfigMap', name: 'web', port: 3306 }],
    ['of another group', { group: 'multicluster.x-k8s.io', kind: 'ServiceImport', name: 'web', port: 3306 }],
    ['without a port', { name: 'web' }],
    ['with a port that the Service lacks', { name: 'web', port: 1 }],
    ['with an invalid name', { name: 'a;b', port: 3306 }],
  ];
  for (const [name, backend] of refusing) {
    it(`reject the share of a backend ${name}`, () => {
      const route = writeL4Route('a', { backends: [{ name: 'web', port: 3306 }, backend] });
      assert.deepEqual(compute(writeGateway([mysql]), route), ['tcp 13306 > 10.0.0.1:33060=256 refused=256']);
    });
  }

  const foreign = {
    backends: [
      { name: 'web', namespace: 'bank', port: 3306 },
      { name: 'web', port: 3306 },
    ],
  };

  it('reject the share of a nonexistent Service, and all connections if there is no other', () => {
    const missing = { name: 'missing', port: 3306, weight: 3 };
    const half = writeL4Route('a', { backends: [{ name: 'web', port: 3306 }, missing] });
    assert.deepEqual(compute(writeGateway([mysql]), half), ['tcp 13306 > 10.0.0.1:33060=85 refused=256']);
    assert.deepEqual(compute(writeGateway([mysql]), writeL4Route('a', { backends: [missing] })), ['tcp 13306 > ']);
  });

  it('reject the share of a Service of another namespace without a grant', () => {
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
    it(`${isEnough ? 'accept' : 'do not accept'} a grant ${name}`, () => {
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

  it('report the problem of each backend, and no other', () => {
    const backends = [
      { name: 'web', namespace: 'b;ank', port: 1 },
      { name: 'web', port: 65536, weight: -1 },
      { name: 'web' },
      { name: 'web', port: 1, weight: 7 },
    ];
    const read = parseL4Route(writeL4Route('a', { backends }), 'tcp');
    const told = read.ok ? read.value.backends.map(({ refusal, weight }) => [refusal?.message, weight]) : [];
    assert.deepEqual(told, [
      ['spec.rules[0].backendRefs[0].namespace "b;ank": must be the name of a namespace', 1],
      ['spec.rules[0].backendRefs[1].port 65536: must be a port from 1 to 65535', 1],
      ['spec.rules[0].backendRefs[2].port is missing: set it to a port of the Service web', 1],
      [undefined, 7],
    ]);
  });
});
