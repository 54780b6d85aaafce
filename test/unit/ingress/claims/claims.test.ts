import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Address, parseAddress } from '../../../../src/base/model/address.ts';
import { keyOf } from '../../../../src/base/read/object-meta.ts';
import { parseLabelSelector } from '../../../../src/ingress/claims/label-selector.ts';
import { type AdmissionPolicy, defaultPolicy } from '../../../../src/ingress/claims/policy.ts';
import { decidePorts, type PortAdmissions, type PortContext } from '../../../../src/ingress/claims/ports.ts';
import type { AskedPort, PortRequest } from '../../../../src/ingress/intent/port-request.ts';
import type { Route } from '../../../../src/ingress/route/route.ts';
import { isSelected, type LabelsOfNamespace } from '../../../../src/ingress/route/selection.ts';
import { type RouteWords, readRoute, writeRoute } from '../samples.ts';

/** What decides about Routes beside themselves. */
interface Context {
  readonly policy: AdmissionPolicy;
  readonly labelsOfNamespace: LabelsOfNamespace;
  readonly listeners: ReadonlySet<string>;
}

function contextWith(policy: Partial<AdmissionPolicy> = {}, listeners: readonly string[] = []): Context {
  return {
    policy: { ...defaultPolicy, ...policy },
    labelsOfNamespace: (namespace) => (namespace === 'shop' ? { env: 'prod' } : undefined),
    listeners: new Set(listeners),
  };
}

/** Who has ports, and why the others have not, as lines. */
function describeAdmissions({ admitted, refused }: PortAdmissions): readonly string[] {
  return [
    ...admitted.map(
      ({ request, demand }) => `${keyOf(request.meta)}: ${demand.ports.map(({ port }) => port).join(' ')}`,
    ),
    ...refused.map(({ request, reason, message }) => `${keyOf(request.meta)}: ${reason}: ${message}`),
  ];
}

function decide(routes: readonly RouteWords[], context = contextWith()): readonly string[] {
  const read = routes.map((words) => readRoute(writeRoute(words)));
  return describeAdmissions(decidePorts(listRequests(read, context), context));
}

/** What the selected Routes ask for. */
function listRequests(routes: readonly Route[], { policy, labelsOfNamespace }: Context): readonly PortRequest[] {
  const selected = routes.filter((route) => isSelected(route, policy, labelsOfNamespace));
  return selected.flatMap(({ ports }) => ports ?? []);
}

function selector(text: string) {
  return parseLabelSelector(text) ?? [];
}

describe('ports at own addresses of nodes', () => {
  const addressOf = (text: string) => parseAddress(text) as Address;
  const ask = (age: number, ports: readonly Partial<AskedPort>[], more: Partial<PortRequest> = {}): PortRequest => ({
    meta: { ...readRoute(writeRoute({ name: `gw${age}` })).meta, uid: `gw${age}/l`, created: age },
    listener: 'l',
    demand: {
      ok: true,
      value: {
        ports: ports.map((one) => ({ protocol: 'tcp', port: 13_306, ...one })),
        limits: {},
        ignored: [],
        backends: [],
      },
    },
    ...more,
  });
  const at = (text: string): Partial<AskedPort> => ({ address: addressOf(text), ofNode: true });
  const own = new Set(['192.0.2.10', '192.0.2.11']);
  const judge = (
    requests: readonly PortRequest[],
    context: Partial<Context> & Pick<Partial<PortContext>, 'translated'> = {},
  ) => {
    const { refused } = decidePorts(requests, { ...contextWith(), ownAddresses: own, ...context });
    return requests.map((request) => refused.find((one) => one.request === request)?.reason ?? 'admitted');
  };

  it('belong to one owner each, and exclude the port at all addresses', () => {
    assert.deepEqual(judge([ask(1, [at('192.0.2.10')]), ask(2, [at('192.0.2.11')]), ask(3, [at('192.0.2.10')])]), [
      'admitted',
      'admitted',
      'PortAlreadyClaimed',
    ]);
    assert.deepEqual(judge([ask(1, [at('192.0.2.10')]), ask(2, [{}]), ask(3, [{ port: 13_307 }])]), [
      'admitted',
      'PortAlreadyClaimed',
      'admitted',
    ]);
    assert.deepEqual(judge([ask(1, [{}]), ask(2, [at('192.0.2.10')])]), ['admitted', 'PortAlreadyClaimed']);
    assert.deepEqual(judge([ask(1, [at('192.0.2.10')]), ask(2, [{ protocol: 'udp' }])]), ['admitted', 'admitted']);
  });

  it('may be shared by listeners for hosts at all addresses, which HAProxy tells apart', () => {
    const claim = { isClaim: true } as const;
    assert.deepEqual(judge([ask(1, [{}], claim), ask(2, [at('192.0.2.10')], claim), ask(3, [at('192.0.2.11')])]), [
      'admitted',
      'admitted',
      'PortAlreadyClaimed',
    ]);
  });

  it('are subject to the rules for ports of the node, unless the address belongs to another node', () => {
    const here = ask(1, [at('192.0.2.10')]);
    const there = ask(2, [at('192.0.2.99')]);
    const virtual = ask(3, [{ address: addressOf('192.0.2.10') }]);
    assert.deepEqual(judge([here, there, virtual], contextWith({}, ['tcp 13306'])), [
      'PortInUseOnNode',
      'admitted',
      'admitted',
    ]);
    assert.deepEqual(judge([here, there], { translated: { has: () => true } }), ['PortInUseOnNode', 'admitted']);
    const range = (from: number) => ({ from, to: from + 9 });
    assert.deepEqual(judge([here, there, virtual], contextWith({ allowedPorts: [range(2000)] })), [
      'PortNotAllowed',
      'PortNotAllowed',
      'admitted',
    ]);
    assert.deepEqual(judge([here, virtual], contextWith({ nodePorts: [range(13_300)] })), [
      'PortNotAllowed',
      'admitted',
    ]);
  });
});

describe('decidePorts', () => {
  it('sorts Gateways of the same second by namespace and name, regardless of UIDs', () => {
    const ask = (namespace: string, name: string, uid: string): PortRequest => ({
      meta: { ...readRoute(writeRoute({ namespace, name, uid })).meta, uid: `${uid}/l` },
      listener: 'l',
      demand: {
        ok: true,
        value: { ports: [{ protocol: 'tcp', port: 13_306 }], limits: {}, ignored: [], backends: [] },
      },
    });
    const requests = [ask('shop', 'b', '1'), ask('shop', 'a', '2'), ask('bank', 'z', '3')];
    const winners = [requests, requests.slice(0, 2)].map((some) =>
      decidePorts(some, contextWith()).admitted.map(({ request }) => keyOf(request.meta)),
    );
    assert.deepEqual(winners, [['bank/z'], ['shop/a']]);
  });

  it('assigns a port to the oldest request, and names the owner within its namespace only', () => {
    const routes = [
      { name: 'young', created: 2 },
      { name: 'old', created: 1 },
      { namespace: 'bank', name: 'other', created: 3 },
    ];
    assert.deepEqual(decide(routes), [
      'shop/old: 13306',
      'shop/young: PortAlreadyClaimed: TCP port 13306 belongs to the older Route old',
      'bank/other: PortAlreadyClaimed: TCP port 13306 belongs to an older claim',
    ]);
  });

  it('assigns a port to the lower UID of two requests of the same age', () => {
    const lines = decide([
      { name: 'a', uid: '2' },
      { name: 'b', uid: '1' },
    ]);
    assert.equal(lines[0], 'shop/b: 13306');
  });

  it('allows the same number for different protocols, and assigns all ports or none', () => {
    const policy = { allowedPorts: [{ from: 1, to: 65535 }] };
    assert.deepEqual(
      decide(
        [
          { name: 'both', created: 2, port: 53000, annotations: { 'external-udp-port': '53000' } },
          { name: 'late', created: 3, port: 13308, annotations: { 'external-udp-port': '53000' } },
          { name: 'last', created: 4, port: 13308 },
        ],
        contextWith(policy),
      ),
      [
        'shop/both: 53000 53000',
        'shop/last: 13308',
        'shop/late: PortAlreadyClaimed: UDP port 53000 belongs to the older Route both',
      ],
    );
  });

  it('ignores requests that may not own their port', () => {
    const lines = decide([
      { name: 'bad', created: 1, annotations: { balance: 'sideways' } },
      { name: 'edge', created: 2, spec: { tls: { termination: 'edge' } } },
      { name: 'good', created: 3 },
    ]);
    assert.deepEqual(lines, [
      'shop/good: 13306',
      'shop/bad: ExtendedValidationFailed: metadata.annotations[haproxy.router.openshift.io/balance] "sideways": must be source, roundrobin or random',
      'shop/edge: UnsupportedTermination: spec.tls.termination "edge": must be "passthrough", or tls must be absent, because ports do not terminate TLS',
    ]);
  });

  const namespacePorts = new Map([
    ['shop', [{ from: 443, to: 443 }]],
    ['bank', [{ from: 20000, to: 20999 }]],
  ]);
  const ports: readonly (readonly [port: number, want: string])[] = [
    [1023, 'PortNotAllowed: TCP port 1023 is not among the ports that this namespace may use: 1024-29999, 443'],
    [1024, '1024'],
    [443, '443'],
    [29999, '29999'],
    [30000, 'PortNotAllowed: TCP port 30000 is in the range of NodePort Services'],
    [40000, 'PortNotAllowed: TCP port 40000 is not among the ports that this namespace may use: 1024-29999, 443'],
    [9100, 'PortNotAllowed: TCP port 9100 is reserved by the administrator'],
    [20500, 'PortNotAllowed: TCP port 20500 is reserved by the administrator'],
    [2222, 'PortInUseOnNode: TCP port 2222 is used by a program on the node'],
    [2223, '2223'],
  ];
  for (const [port, want] of ports) {
    it(`decides about port ${port}`, () => {
      const policy = { namespacePorts, reservedPorts: [{ from: 9100, to: 9100 }] };
      const context = contextWith(policy, ['tcp 2222', 'udp 2223']);
      assert.deepEqual(decide([{ port }], context), [`shop/web: ${want}`]);
    });
  }

  const domains = { allowedDomains: ['a.com', 'b.org'], deniedDomains: ['x.a.com'] };
  const hosts: readonly (readonly [host: string | undefined, isAllowed: boolean])[] = [
    ['a.com', true],
    ['w.A.com', true],
    ['ba.com', false],
    ['x.a.com', false],
    ['y.x.a.com', false],
    ['c.net', false],
    [undefined, false],
  ];
  for (const [host, isAllowed] of hosts) {
    it(`${isAllowed ? 'admits' : 'rejects'} the host ${host}`, () => {
      const [line = ''] = decide([{ spec: { host } }], contextWith(domains));
      assert.equal(line.startsWith('shop/web: HostNotAllowed: '), !isAllowed, line);
    });
  }

  const selections: readonly (readonly [name: string, policy: Partial<AdmissionPolicy>, want: number])[] = [
    ['the router it names', { routerName: 'r1' }, 1],
    ['another router', { routerName: 'r2' }, 0],
    ['labels it has', { routeLabels: selector('app in (web, db),!old') }, 1],
    ['labels it has not', { routeLabels: selector('app!=web') }, 0],
    ['labels of its namespace', { namespaceLabels: selector('env=prod') }, 1],
    ['labels its namespace has not', { namespaceLabels: selector('env=test') }, 0],
  ];
  for (const [name, policy, want] of selections) {
    it(`${want === 1 ? 'selects' : 'ignores'} a Route for ${name}`, () => {
      const route = { labels: { app: 'web' }, annotations: { 'wzh-router-name': 'r1' } };
      assert.equal(decide([route], contextWith(policy)).length, want);
    });
  }

  it('ignores Routes of a nonexistent namespace if namespaces are selected', () => {
    assert.deepEqual(decide([{ namespace: 'gone' }], contextWith({ namespaceLabels: selector('!old') })), []);
  });

  it('reaches the same state for any order of events', () => {
    const event = fc.record({
      name: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      change: fc.option(
        fc.record({
          created: fc.integer({ min: 0, max: 3 }),
          port: fc.constantFrom('2001', '2002', '2003', 'x', '80'),
          udp: fc.option(fc.constantFrom('2001', '2002'), { nil: undefined }),
          app: fc.constantFrom('web', 'other'),
        }),
        { nil: undefined },
      ),
    });
    const context = contextWith({ routeLabels: selector('app=web') }, ['tcp 2003']);
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        const routes = new Map<string, Route>();
        for (const { name, change } of events) {
          routes.delete(name);
          if (change === undefined) continue;
          const { udp, app, ...rest } = change;
          const annotations = udp === undefined ? {} : { 'external-udp-port': udp };
          routes.set(name, readRoute(writeRoute({ name, ...rest, annotations, labels: { app } })));
        }
        const all = [...routes.values()];
        const requests = listRequests(all, context);
        const got = decidePorts(requests, context);
        const winners = got.admitted.map(({ request }) => request.meta.name).sort();
        assert.deepEqual(winners, modelWinners(requests));
        assert.deepEqual(describeAdmissions(decidePorts(requests.toReversed(), context)), describeAdmissions(got));
        assert.equal(
          got.admitted.length + got.refused.length,
          all.filter(({ meta }) => meta.labels.app === 'web').length,
        );
      }),
    );
  });
});

/** The simplest correct algorithm: accept the best remaining request until none fits. */
function modelWinners(requests: readonly PortRequest[]): readonly string[] {
  const taken = new Set<string>(['tcp 2003', 'tcp 80']);
  const winners: string[] = [];
  const left = requests.filter(({ demand }) => demand.ok);
  while (left.length > 0) {
    const best = left.reduce((one, other) => {
      const [a, b] = [one.meta, other.meta];
      return b.created < a.created || (b.created === a.created && b.uid < a.uid) ? other : one;
    });
    left.splice(left.indexOf(best), 1);
    const keys = best.demand.ok ? best.demand.value.ports.map(({ protocol, port }) => `${protocol} ${port}`) : [];
    if (keys.some((key) => taken.has(key))) continue;
    for (const key of keys) taken.add(key);
    winners.push(best.meta.name);
  }
  return winners.sort();
}
