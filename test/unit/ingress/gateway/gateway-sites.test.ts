import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { clusterNames } from '../../../../src/base/kubernetes/names.ts';
import { GatewaySites } from '../../../../src/ingress/gateway/gateway-sites.ts';
import { GatewayReporter, type GatewayReports } from '../../../../src/ingress/gateway/gateway-status.ts';
import type { ReferenceGrant } from '../../../../src/ingress/gateway/reference-grant.ts';
import type { SitePorts } from '../../../../src/ingress/gateway/site-ports.ts';
import type { Verdict } from '../../../../src/ingress/intent/plane.ts';
import type { ReferenceState } from '../../../../src/ingress/intent/references.ts';
import type { SiteRequest } from '../../../../src/ingress/intent/site-request.ts';
import { Inventory } from '../../../../src/ingress/objects/inventory.ts';
import { readObject } from '../../../../src/ingress/objects/kinds.ts';
import { noAssignments } from '../../../../src/ingress/pools/assign.ts';
import { noReferences } from '../no-references.ts';

const group = 'gateway.networking.k8s.io';
const created = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString();

/** An object of the Gateway API in the namespace `shop`. */
function write(kind: string, name: string, spec: object, { namespace = 'shop', age = 0 } = {}): object {
  const metadata = {
    namespace,
    name,
    uid: `${kind}-${namespace}-${name}`,
    creationTimestamp: created(age),
    generation: 1,
  };
  return { apiVersion: `${group}/v1`, kind, metadata, spec };
}

const http = (more: object = {}) => ({ name: 'http', port: 80, protocol: 'HTTP', ...more });
const https = (more: object = {}) => ({
  name: 'https',
  port: 443,
  protocol: 'HTTPS',
  tls: { certificateRefs: [{ name: 'pair' }] },
  ...more,
});

function writeGateway(listeners: readonly object[], more: object = {}, words = {}): object {
  return write('Gateway', 'gw', { gatewayClassName: 'ours', listeners, ...more }, words);
}

function writeRoute(name: string, spec: object = {}, words = {}, kind = 'HTTPRoute'): object {
  const rules = [{ backendRefs: [{ name: 'web', port: 80 }] }];
  return write(kind, name, { parentRefs: [{ name: 'gw', namespace: 'shop' }], rules, ...spec }, words);
}

/** Objects as the agent keeps them, and what follows from them. */
class World {
  readonly inventory = new Inventory();
  /** Results of claims: these ports are free. */
  sitePorts: SitePorts = new Map(['81', '8080', '8443', '9443'].map((key) => [key, undefined]));
  /** Certificates in ConfigMaps and Secrets. */
  readonly contents = new Map<string, ReferenceState>();
  readonly sites = new GatewaySites(this.inventory, {
    className: undefined,
    ownPorts: { http: 80, https: 443 },
    sitePorts: () => this.sitePorts,
    addresses: () => this.#sources,
    references: {
      authorities: (key, field) => this.contents.get(`ConfigMap ${key}`) ?? noReferences.authorities(key, field),
      keyPair: (key, field) => this.contents.get(key) ?? noReferences.keyPair(key, field),
      clients: (key) => noReferences.clients(key),
      users: (key, format) => noReferences.users(key, format),
    },
  });
  readonly #sources = { addresses: ['192.0.2.10'], assignments: noAssignments };
  readonly #journal = this.inventory.openJournal();
  readonly #reporter = new GatewayReporter();
  #hasStarted = false;
  readonly #verdicts = new Map<SiteRequest, Verdict>();
  readonly #noGrants: readonly ReferenceGrant[] = [];

  constructor(...objects: readonly object[]) {
    this.put(
      write('GatewayClass', 'ours', { controllerName: clusterNames.gatewayController }),
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { namespace: 'shop', name: 'web' },
        spec: { ports: [{ port: 80 }] },
      },
      ...objects,
    );
  }

  put(...objects: readonly object[]): void {
    for (const object of objects) {
      const reading = readObject(object);
      assert.ok(reading.outcome === 'object', JSON.stringify(reading));
      this.inventory.put(reading.object);
    }
  }

  /** Keys of changed routes. */
  update(references: ReadonlySet<string> = new Set()): readonly string[] {
    const changes = this.#journal.take();
    const given = this.#hasStarted ? changes : undefined;
    this.#hasStarted = true;
    return this.sites.sources.flatMap((source) =>
      [...source.listChanged(given, references)].map((key) => `${source.kind} ${key}`),
    );
  }

  get requests(): readonly SiteRequest[] {
    return this.sites.sources.flatMap((source) =>
      [...this.inventory.keys(source.kind as 'HTTPRoute')].flatMap((key) => source.translate(key)),
    );
  }

  get listeners(): readonly string[] {
    return this.sites.sources.flatMap((source) => [...(source.listListeners?.() ?? [])].map(({ id }) => id));
  }

  /** Reports where the data plane serves everything but `missing` requests. */
  report(refuse: (verdict: Verdict) => Partial<Verdict> = () => ({})): GatewayReports {
    const verdict = { notes: [], ignored: [] };
    const verdicts: Verdict[] = [
      ...this.sites.sources.flatMap((source) =>
        [...(source.listListeners?.() ?? [])].map(({ id, owner }) => ({
          ...verdict,
          meta: { ...owner.meta, uid: id },
          listener: id.split('/')[1] ?? '',
        })),
      ),
      ...this.requests.map((request) => this.#verdictOf(request)),
    ];
    return this.#reporter.report({
      classes: [...this.inventory.all('GatewayClass')],
      gateways: [...this.inventory.all('Gateway')],
      listenerSets: [...this.inventory.all('ListenerSet')],
      grants: this.inventory.isEmpty('ReferenceGrant') ? this.#noGrants : [...this.inventory.all('ReferenceGrant')],
      l4Routes: [...this.inventory.all('TCPRoute')],
      ...this.#sources,
      className: undefined,
      servesSites: true,
      labelsOfNamespace: (namespace) => this.inventory.labelsOf(namespace),
      verdicts: verdicts.map((one) => {
        const change = refuse(one);
        return Object.keys(change).length === 0 ? one : { ...one, ...change };
      }),
      serviceOf: (key) => this.inventory.get('Service', key),
      holdingOf: () => ({ state: 'held' }),
      sites: this.sites,
    });
  }

  #verdictOf(request: SiteRequest): Verdict {
    const { owner, listener: arrival } = request;
    const verdict = this.#verdicts.get(request) ?? { meta: owner.meta, arrival, request, notes: [], ignored: [] };
    this.#verdicts.set(request, verdict);
    return verdict;
  }

  /** `Accepted False NoMatchingParent` and so on, of the first parent of a route. */
  conditionsOf(
    route: string,
    reports = this.report(),
    kind: 'HTTPRoute' | 'GRPCRoute' | 'TLSRoute' = 'HTTPRoute',
  ): string {
    const [parent] = reports.routes[kind]?.get(`shop/${route}`)?.parents ?? [];
    return (parent?.conditions ?? []).map(({ type, status, reason }) => `${type} ${status} ${reason}`).join(', ');
  }

  /** Conditions of a listener that are not as usual. */
  listenerOf(name: string, reports = this.report()): string {
    const found = reports.gateways.get('shop/gw')?.listeners.find((one) => one.name === name);
    const usual = /^(?:Accepted|Programmed|ResolvedRefs) True|^Conflicted False/;
    const conditions = (found?.conditions ?? []).map(({ type, status, reason }) => `${type} ${status} ${reason}`);
    return [...conditions.filter((one) => !usual.test(one)), `${found?.attachedRoutes}`].join(', ');
  }
}

/** `LISTENER HOST` of each request, with `**.` for all names below. */
function show({ listener, host = '*', span }: SiteRequest): string {
  return `${listener.split('/')[1]} ${span === 'labels' ? '**.' : ''}${host}`;
}

const good = 'Accepted True Accepted, ResolvedRefs True ResolvedRefs';

describe('HTTPRoutes', () => {
  it('are requested for the intersection of their hostnames and those of their listeners', () => {
    const world = new World(
      writeGateway([
        http(),
        http({ name: 'wide', hostname: '*.example.com' }),
        http({ name: 'narrow', hostname: 'a.b.example.com' }),
        http({ name: 'other', hostname: 'example.org' }),
      ]),
      writeRoute('a', { hostnames: ['*.b.example.com', 'x.example.com', 'example.com'] }),
    );
    assert.deepEqual(world.update(), ['HTTPRoute shop/a']);
    assert.deepEqual(world.requests.map(show), [
      'http **.b.example.com',
      'http x.example.com',
      'http example.com',
      'wide **.b.example.com',
      'wide x.example.com',
      'narrow a.b.example.com',
    ]);
    assert.deepEqual(world.update(), []);
    assert.equal(world.conditionsOf('a'), good);
    const counts = world
      .report()
      .gateways.get('shop/gw')
      ?.listeners.map(({ attachedRoutes }) => attachedRoutes);
    assert.deepEqual(counts, [1, 1, 1, 0]);
  });

  const refusals: readonly (readonly [name: string, want: string, listener: object, spec: object, words?: object])[] = [
    ['with another section', 'NoMatchingParent', {}, { parentRefs: [{ name: 'gw', sectionName: 'x' }] }],
    ['with another port', 'NoMatchingParent', {}, { parentRefs: [{ name: 'gw', port: 81 }] }],
    [
      'of a kind that is not listed',
      'NotAllowedByListeners',
      { allowedRoutes: { kinds: [{ kind: 'GRPCRoute' }] } },
      {},
    ],
    ['with another hostname', 'NoMatchingListenerHostname', { hostname: 'a.test' }, { hostnames: ['b.test'] }],
    [
      'with the parent domain of the wildcard',
      'NoMatchingListenerHostname',
      { hostname: '*.a.test' },
      { hostnames: ['a.test'] },
    ],
    ['with an address as a hostname', 'UnsupportedValue', {}, { hostnames: ['192.0.2.1'] }],
    ['with an unknown filter', 'UnsupportedValue', {}, { rules: [{ filters: [{ type: 'X' }] }] }],
    ['with an unknown path', 'UnsupportedValue', {}, { rules: [{ matches: [{ path: { type: 'X' } }] }] }],
    [
      'with redirect and rewrite',
      'IncompatibleFilters',
      {},
      {
        rules: [
          {
            filters: [
              { type: 'RequestRedirect', requestRedirect: { hostname: 'a.test' } },
              { type: 'URLRewrite', urlRewrite: { hostname: 'b.test' } },
            ],
          },
        ],
      },
    ],
  ];
  for (const [name, want, listener, spec] of refusals) {
    it(`are not accepted ${name}`, () => {
      const world = new World(writeGateway([http(listener)]), writeRoute('a', spec));
      world.update();
      assert.match(world.conditionsOf('a'), new RegExp(`^Accepted False ${want}, `));
      assert.equal(world.listenerOf('http'), '0');
    });
  }

  it('of every kind are listed as changed at the start, and only once', () => {
    const tls = { name: 'tls', port: 443, protocol: 'TLS', tls: { mode: 'Passthrough' } };
    const hosts = (kind: string) => ({ hostnames: [`${kind.toLowerCase()}.test`] });
    const kinds = ['HTTPRoute', 'GRPCRoute', 'TLSRoute'];
    const world = new World(
      writeGateway([http(), tls]),
      ...kinds.map((kind) => writeRoute(kind.toLowerCase(), hosts(kind), {}, kind)),
    );
    assert.deepEqual([...world.update()].sort(), kinds.map((kind) => `${kind} shop/${kind.toLowerCase()}`).sort());
    assert.equal(world.requests.length, 3);
    assert.deepEqual(world.update(), []);
  });

  it('of another namespace are not accepted unless the listener allows it', () => {
    const world = new World(writeGateway([http()]), writeRoute('a', {}, { namespace: 'bank' }));
    world.update();
    const [parent] = world.report().routes.HTTPRoute?.get('bank/a')?.parents ?? [];
    assert.equal(parent?.conditions[0]?.reason, 'NotAllowedByListeners');
    world.put(writeGateway([http({ allowedRoutes: { namespaces: { from: 'All' } } })]));
    assert.deepEqual(world.update(), ['HTTPRoute bank/a']);
    assert.deepEqual(world.requests.map(show), ['http *']);
  });

  for (const [what, match] of [
    ['a header name with "|"', { headers: [{ name: 'a|b', value: 'x' }] }],
    ['a parameter name with "|"', { queryParams: [{ name: 'a|b', value: 'x' }] }],
    ['a parameter name with "&"', { queryParams: [{ name: 'a&b', value: 'x' }] }],
    ['an empty value', { headers: [{ name: 'a', value: '' }] }],
    ['a value of too many bytes', { queryParams: [{ name: 'a', value: 'ü'.repeat(2049) }] }],
    ['half a character', { headers: [{ name: 'a', value: '\ud800' }] }],
  ] as const) {
    it(`drop only the rule with ${what}`, () => {
      const backendRefs = [{ name: 'web', port: 80 }];
      const rules = [{ backendRefs }, { matches: [match], backendRefs }];
      const world = new World(writeGateway([http()]), writeRoute('a', { rules }));
      world.update();
      assert.equal(world.conditionsOf('a'), `${good}, PartiallyInvalid True UnsupportedValue`);
      const [{ demand }] = world.requests as [SiteRequest];
      assert.deepEqual(demand.ok && demand.value.matches.map(({ path }) => path.value), ['']);
    });
  }

  it('answer with an error where a rule is not supported, and serve the others', () => {
    const world = new World(
      writeGateway([http()]),
      writeRoute('a', {
        rules: [
          { backendRefs: [{ name: 'web', port: 80 }] },
          {
            matches: [{ path: { value: '/b/' } }],
            filters: [{ type: 'RequestMirror' }],
            backendRefs: [{ name: 'web', port: 80 }],
          },
        ],
      }),
    );
    world.update();
    assert.equal(world.conditionsOf('a'), `${good}, PartiallyInvalid True UnsupportedValue`);
    const [parent] = world.report().routes.HTTPRoute?.get('shop/a')?.parents ?? [];
    const message = parent?.conditions.find(({ type }) => type === 'PartiallyInvalid')?.message ?? '';
    assert.match(message, /^Dropped Rule: spec\.rules\[1\]\.filters\[0\]/);
    const [{ demand }] = world.requests as [SiteRequest];
    assert.ok(demand.ok);
    assert.deepEqual(
      demand.value.matches.map(({ path, group }) => [path.value, group]),
      [
        ['', 0],
        ['/b', 1],
      ],
    );
    assert.deepEqual(
      demand.value.groups.map(({ shares, errors }) => [shares.length, errors?.invalid]),
      [
        [1, 500],
        [0, 500],
      ],
    );
  });

  it('keep their requests when something else changes, and change with grants', () => {
    const backendRefs = [{ name: 'web', namespace: 'bank', port: 80 }];
    const world = new World(writeGateway([http()]), writeRoute('a', { rules: [{ backendRefs }] }), writeRoute('b'));
    world.update();
    assert.match(world.conditionsOf('a'), /ResolvedRefs False RefNotPermitted/);
    const before = world.requests;
    world.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' } });
    assert.deepEqual(world.update(), []);
    assert.deepEqual(world.requests, before);
    world.put(
      write(
        'ReferenceGrant',
        'grant',
        { from: [{ group, kind: 'HTTPRoute', namespace: 'shop' }], to: [{ group: '', kind: 'Service' }] },
        { namespace: 'bank' },
      ),
    );
    assert.deepEqual(world.update(), ['HTTPRoute shop/a']);
    const [{ demand }] = world.requests as [SiteRequest];
    assert.equal(demand.ok && demand.value.groups[0]?.shares[0]?.isForbidden, undefined);
  });

  it('are accepted when the data plane serves them, and not before', () => {
    const world = new World(writeGateway([http()]), writeRoute('a'));
    world.update();
    const waiting = world.report(({ request }) => (request === undefined ? {} : { pending: { what: 'all' } }));
    assert.equal(waiting.routes.HTTPRoute?.get('shop/a')?.isPending, true);
    const refused = { reason: 'ExtendedValidationFailed', message: 'HAProxy rejects it' };
    const reports = world.report(({ request }) => (request === undefined ? {} : refused));
    assert.match(world.conditionsOf('a', reports), /^Accepted False UnsupportedValue/);
    // An unchanged report is the same object.
    const [one, other] = [world.report(), world.report()].map(({ routes }) => routes.HTTPRoute?.get('shop/a'));
    assert.equal(one, other);
  });

  it('yield to an older GRPCRoute that shares a hostname of a listener', () => {
    const world = new World(
      writeGateway([http(), http({ name: 'b', port: 81 })]),
      writeRoute(
        'grpc',
        { hostnames: ['*.a.test'], parentRefs: [{ name: 'gw', sectionName: 'http' }] },
        { age: 1 },
        'GRPCRoute',
      ),
      writeRoute('young', { hostnames: ['x.a.test'], parentRefs: [{ name: 'gw', sectionName: 'http' }] }, { age: 2 }),
      writeRoute('both', { hostnames: ['x.a.test'] }, { age: 2 }),
      writeRoute('apart', { hostnames: ['a.test'] }, { age: 2 }),
    );
    world.update();
    assert.match(world.conditionsOf('young'), /^Accepted False HostnameConflict/);
    assert.equal(world.conditionsOf('both'), good);
    assert.equal(world.conditionsOf('apart'), good);
    assert.equal(world.conditionsOf('grpc', world.report(), 'GRPCRoute'), good);
    assert.deepEqual(world.requests.map(show), ['b x.a.test', 'http a.test', 'b a.test', 'http **.a.test']);
    world.inventory.remove('GRPCRoute', 'shop/grpc');
    assert.deepEqual(world.update(), ['HTTPRoute shop/young', 'HTTPRoute shop/both', 'GRPCRoute shop/grpc']);
    assert.equal(world.conditionsOf('young'), good);
  });
});

describe('listeners for hosts', () => {
  it('of one Gateway exclude each other by hostname, and by protocol', () => {
    const world = new World(
      writeGateway([
        http(),
        http({ name: 'same' }),
        http({ name: 'own', hostname: 'a.test' }),
        { name: 'tcp', port: 81, protocol: 'TCP' },
        http({ name: 'mixed', port: 81 }),
        http({ name: 'tls', port: 443 }),
        https(),
      ]),
    );
    world.update();
    const conflict = (reason: string) =>
      `Accepted False ${reason}, Programmed False ${reason}, Conflicted True ${reason}, 0`;
    for (const name of ['http', 'same']) assert.equal(world.listenerOf(name), conflict('HostnameConflict'));
    for (const name of ['tcp', 'mixed', 'tls', 'https']) {
      assert.equal(world.listenerOf(name), conflict('ProtocolConflict'));
    }
    assert.equal(world.listenerOf('own'), '0');
    assert.deepEqual(world.listeners, ['Gateway-shop-gw/own']);
  });

  it('of Gateways on one address leave a port to the oldest, unless hostnames differ', () => {
    const words = { namespace: 'bank', age: 1 };
    const world = new World(
      writeGateway([http(), http({ name: 'a', hostname: 'a.test' })]),
      writeGateway(
        [http({ name: 'b', hostname: 'b.test' }), http(), { name: 'tcp', port: 80, protocol: 'TCP' }],
        {},
        words,
      ),
      writeGateway([http({ port: 8080 })], {}, { namespace: 'third', age: 2 }),
    );
    world.update();
    assert.deepEqual(world.listeners, ['Gateway-shop-gw/http', 'Gateway-shop-gw/a', 'Gateway-third-gw/http']);
    const shown = world
      .report()
      .gateways.get('bank/gw')
      ?.listeners.map(({ conditions }) => conditions[0]?.reason);
    assert.deepEqual(shown, ['ProtocolConflict', 'ProtocolConflict', 'ProtocolConflict']);
    world.put(writeGateway([http({ name: 'b', hostname: 'b.test' }), http()], {}, words));
    world.update();
    assert.ok(world.listeners.includes('Gateway-bank-gw/b'));
    const reasons = world
      .report()
      .gateways.get('bank/gw')
      ?.listeners.map(({ conditions }) => conditions[0]?.reason);
    assert.deepEqual(reasons, ['Accepted', 'PortUnavailable']);
  });

  const certificates: readonly (readonly [name: string, reference: object, want: string])[] = [
    ['of another kind', { kind: 'ConfigMap', name: 'a' }, 'InvalidCertificateRef'],
    ['of another group', { group: 'a.test', name: 'a' }, 'InvalidCertificateRef'],
    ['without a valid name', { name: 'A/b' }, 'InvalidCertificateRef'],
    ['of another namespace without a grant', { name: 'a', namespace: 'bank' }, 'RefNotPermitted'],
  ];
  for (const [name, reference, want] of certificates) {
    it(`are not served with a certificate ${name}, and count their routes`, () => {
      const listener = https({ tls: { certificateRefs: [reference] } });
      const world = new World(writeGateway([listener]), writeRoute('a'));
      world.update();
      assert.equal(world.listenerOf('https'), `Programmed False Invalid, ResolvedRefs False ${want}, 1`);
      assert.deepEqual(world.listeners, []);
      assert.deepEqual([...(world.sites.sources[0]?.listSecrets() ?? [])], []);
      assert.equal(world.conditionsOf('a'), good);
    });
  }

  it('report a certificate that the data plane rejects', () => {
    const world = new World(writeGateway([https()]), writeRoute('a'));
    world.update();
    assert.deepEqual([...(world.sites.sources[0]?.listSecrets() ?? [])], ['shop/pair']);
    const reports = world.report(({ listener }) =>
      listener === undefined ? {} : { reason: 'ExternalCertificateGetFailed', message: 'no such Secret' },
    );
    assert.equal(
      world.listenerOf('https', reports),
      'Programmed False Invalid, ResolvedRefs False InvalidCertificateRef, 1',
    );
    assert.equal(world.conditionsOf('a', reports), good);
  });

  it('report common names of HTTPS listeners, and refuse settings that restrict clients', () => {
    const world = new World(
      writeGateway([
        https(),
        https({ name: 'a', hostname: 'a.test' }),
        https({ name: 'other', port: 8443, hostname: 'a.test' }),
      ]),
    );
    world.update();
    for (const name of ['https', 'a']) {
      assert.equal(world.listenerOf(name), 'OverlappingTLSConfig True OverlappingHostnames, 0');
    }
    assert.equal(world.listenerOf('other'), '0');
    const tls = { frontend: { default: {}, perPort: [{ port: 443, tls: { validation: { caCertificateRefs: [] } } }] } };
    world.put(writeGateway([https(), https({ name: 'other', port: 8443 })], { tls }));
    world.update();
    assert.match(world.listenerOf('https'), /^Accepted False NoValidCACertificate/);
    assert.equal(world.listenerOf('other'), '0');
  });
});

describe('ports of listeners for hosts', () => {
  it('are claimed, and served only when they are granted', () => {
    const world = new World(writeGateway([http(), http({ name: 'other', port: 8080 })]), writeRoute('a'));
    world.sitePorts = new Map();
    world.update();
    assert.deepEqual(world.listeners, ['Gateway-shop-gw/http']);
    assert.equal(world.report().gateways.get('shop/gw')?.isPending, true);
    world.sitePorts = new Map([['8080', 'TCP port 8080 is used by a program on the node']]);
    world.update();
    assert.deepEqual(world.listeners, ['Gateway-shop-gw/http']);
    assert.equal(world.listenerOf('other'), 'Accepted False PortUnavailable, Programmed False Invalid, 1');
    world.sitePorts = new Map([['8080', undefined]]);
    assert.deepEqual(world.update(), ['HTTPRoute shop/a']);
    assert.deepEqual(world.listeners, ['Gateway-shop-gw/http', 'Gateway-shop-gw/other']);
  });
});

describe('GRPCRoutes and TLSRoutes', () => {
  it('match methods as paths', () => {
    const matches = [
      { method: { service: 'a.B', method: 'C' } },
      { method: { service: 'a.B' } },
      { method: { method: 'C' } },
      { method: { type: 'RegularExpression', service: 'a\\..+' }, headers: [{ name: 'X', value: 'y' }] },
    ];
    const rules = [{ matches, backendRefs: [{ name: 'web', port: 80 }] }];
    const world = new World(writeGateway([http()]), writeRoute('a', { rules }, {}, 'GRPCRoute'));
    world.update();
    const [{ demand }] = world.requests as [SiteRequest];
    assert.ok(demand.ok);
    assert.deepEqual(
      demand.value.matches.map(({ path }) => `${path.type} ${path.value}`),
      ['exact /a.B/C', 'element /a.B', 'regex /[^/]+/C', 'regex /(?:a\\..+)/(?:[^/]+)'],
    );
    assert.deepEqual([demand.value.groups[0]?.errors?.invalid, demand.value.groups[0]?.isH2c], [503, true]);
  });

  it('pass TLS through for their names', () => {
    const listener = { name: 'tls', port: 443, protocol: 'TLS', hostname: '*.a.test', tls: { mode: 'Passthrough' } };
    const world = new World(writeGateway([listener]), writeRoute('a', { hostnames: ['*.test'] }, {}, 'TLSRoute'));
    world.update();
    assert.deepEqual(world.requests.map(show), ['tls **.a.test']);
    assert.equal(world.conditionsOf('a', world.report(), 'TLSRoute'), good);
  });
});

/** `Accepted True Accepted` and so on. */
function showConditions(conditions: readonly { type: string; status: string; reason: string }[] = []): string {
  return conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`).join(', ');
}

describe('ListenerSets', () => {
  const writeSet = (name: string, listeners: readonly object[], words = {}): object =>
    write('ListenerSet', name, { parentRef: { name: 'gw', namespace: 'shop' }, listeners }, words);
  const open = { allowedListeners: { namespaces: { from: 'All' } } };
  const setOf = (world: World, key: string) => world.report().sets.get(key);

  it('add listeners only where the Gateway allows it', () => {
    const world = new World(writeGateway([http()]), writeSet('more', [http({ hostname: 'a.test' })], { age: 1 }));
    world.update();
    assert.equal(
      showConditions(setOf(world, 'shop/more')?.conditions),
      'Accepted False NotAllowed, Programmed False NotAllowed',
    );
    assert.deepEqual(world.listeners, ['Gateway-shop-gw/http']);
    world.put(writeGateway([http()], { allowedListeners: { namespaces: { from: 'Same' } } }));
    world.put(writeSet('foreign', [http({ hostname: 'b.test' })], { namespace: 'other', age: 1 }));
    world.update();
    assert.deepEqual(world.listeners, ['Gateway-shop-gw/http', 'ListenerSet-shop-more/http']);
    assert.match(showConditions(setOf(world, 'other/foreign')?.conditions), /^Accepted False NotAllowed/);
    assert.equal(
      showConditions(setOf(world, 'shop/more')?.conditions),
      'Accepted True Accepted, Programmed True Programmed',
    );
    assert.equal(world.report().gateways.get('shop/gw')?.attachedSets, 1);
  });

  it('yield to their Gateway, then to the oldest of them', () => {
    const world = new World(
      writeGateway([http({ hostname: 'gw.test' })], open),
      writeSet('young', [http({ hostname: 'old.test' }), http({ name: 'own', hostname: 'own.test' })], { age: 2 }),
      writeSet('old', [http({ hostname: 'old.test' }), http({ name: 'lost', hostname: 'gw.test' })], { age: 1 }),
    );
    world.update();
    const lost =
      'Accepted False HostnameConflict, Programmed False HostnameConflict, ResolvedRefs True ResolvedRefs, Conflicted True HostnameConflict';
    const listener = (key: string, name: string) =>
      showConditions(setOf(world, key)?.listeners.find((one) => one.name === name)?.conditions);
    assert.equal(listener('shop/young', 'http'), lost);
    assert.equal(listener('shop/old', 'lost'), lost);
    assert.deepEqual(world.listeners, [
      'Gateway-shop-gw/http',
      'ListenerSet-shop-old/http',
      'ListenerSet-shop-young/own',
    ]);
  });

  it('do not take hostnames from other Gateways on the same address, even if their Gateway is older', () => {
    const world = new World(
      writeGateway([http({ hostname: 'gw.test' })], open),
      write('Gateway', 'second', { gatewayClassName: 'ours', listeners: [http({ hostname: 'x.test' })] }, { age: 1 }),
      writeSet('taker', [http({ hostname: 'x.test' })], { age: 2 }),
    );
    world.update();
    assert.deepEqual(world.listeners, ['Gateway-shop-gw/http', 'Gateway-shop-second/http']);
  });

  it('are reached by routes that name them, with the grants and namespaces of their own', () => {
    const grant = write(
      'ReferenceGrant',
      'pair',
      {
        from: [{ group, kind: 'Gateway', namespace: 'shop' }],
        to: [{ group: '', kind: 'Secret' }],
      },
      { namespace: 'certs' },
    );
    const foreign = { tls: { certificateRefs: [{ name: 'pair', namespace: 'certs' }] } };
    const world = new World(
      grant,
      writeGateway([http()], open),
      writeSet('more', [https(foreign), http({ name: 'plain', hostname: 'a.test' })], { namespace: 'team', age: 1 }),
      writeRoute(
        'by-set',
        { parentRefs: [{ kind: 'ListenerSet', name: 'more', namespace: 'team' }] },
        { namespace: 'team' },
      ),
      writeRoute('by-gateway', { parentRefs: [{ name: 'gw', sectionName: 'plain' }] }),
      writeRoute('outside', { parentRefs: [{ kind: 'ListenerSet', name: 'more', namespace: 'team' }] }),
    );
    world.update();
    const https0 = setOf(world, 'team/more')?.listeners[0];
    assert.match(showConditions(https0?.conditions), /ResolvedRefs False RefNotPermitted/);
    assert.deepEqual(
      world.requests.map(({ listener }) => listener),
      ['ListenerSet-team-more/plain'],
    );
    assert.match(world.conditionsOf('by-gateway'), /^Accepted False NoMatchingParent/);
    assert.match(world.conditionsOf('outside'), /^Accepted False NotAllowedByListeners/);
  });
});

describe('BackendTLSPolicies', () => {
  const writePolicy = (name: string, spec: object, words = {}): object =>
    write(
      'BackendTLSPolicy',
      name,
      {
        targetRefs: [{ group: '', kind: 'Service', name: 'web' }],
        validation: { hostname: 'web.test', caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }] },
        ...spec,
      },
      words,
    );
  const valid: ReferenceState = { state: 'valid', pem: 'PEM' };
  const sharesOf = (world: World) =>
    world.requests.flatMap(({ demand }) => (demand.ok ? demand.value.groups.flatMap(({ shares }) => shares) : []));
  const show = (world: World) =>
    sharesOf(world).map(({ tls, isForbidden }) => (isForbidden === true ? 'error' : (tls?.name ?? 'plain')));
  const policyOf = (world: World, name: string) =>
    showConditions(world.report().policies.get(`shop/${name}`)?.ancestors[0]?.conditions);

  function open(...policies: readonly object[]): World {
    const world = new World(writeGateway([http()]), writeRoute('a'), ...policies);
    world.contents.set('ConfigMap shop/ca', valid);
    world.update();
    return world;
  }

  it('set server name and authorities of the backends of a route', () => {
    const world = open(writePolicy('p', {}));
    const [share] = sharesOf(world);
    assert.deepEqual(share?.tls, {
      name: 'web.test',
      authority: { name: 'shop:BackendTLSPolicy.p', pem: 'PEM' },
    });
    assert.equal(policyOf(world, 'p'), 'Accepted True Accepted, ResolvedRefs True ResolvedRefs');
    assert.deepEqual(world.report().policies.get('shop/p')?.ancestors[0]?.ancestorRef, {
      group,
      kind: 'Gateway',
      namespace: 'shop',
      name: 'gw',
    });
  });

  const names = [{ type: 'Hostname', hostname: 'web.test' }];
  const unusable: readonly (readonly [name: string, want: string, validation: object])[] = [
    [
      'names a missing ConfigMap',
      'Accepted False NoValidCACertificate, ResolvedRefs False InvalidCACertificateRef',
      { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'none' }] },
    ],
    [
      'names another kind',
      'Accepted False NoValidCACertificate, ResolvedRefs False InvalidKind',
      { caCertificateRefs: [{ group: '', kind: 'Secret', name: 'ca' }] },
    ],
    [
      'names no authority',
      'Accepted False NoValidCACertificate, ResolvedRefs True ResolvedRefs',
      { caCertificateRefs: [] },
    ],
    [
      'asks for the system’s authorities',
      'Accepted False Invalid, ResolvedRefs True ResolvedRefs',
      { wellKnownCACertificates: 'System' },
    ],
    ['lists names', 'Accepted False Invalid, ResolvedRefs True ResolvedRefs', { subjectAltNames: names }],
    [
      'has a wildcard as hostname',
      'Accepted False Invalid, ResolvedRefs True ResolvedRefs',
      { hostname: '*.web.test' },
    ],
    ['has no hostname', 'Accepted False Invalid, ResolvedRefs True ResolvedRefs', { hostname: null }],
  ];
  for (const [name, want, validation] of unusable) {
    it(`answer with errors if one ${name}, never without TLS`, () => {
      const usual = { hostname: 'web.test', caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }] };
      const world = open(writePolicy('p', { validation: { ...usual, ...validation } }));
      assert.deepEqual(show(world), ['error']);
      assert.equal(policyOf(world, 'p'), want);
    });
  }

  it('are decided by port, then age, and report the others as conflicted', () => {
    const named = (name: string, hostname: string, section: string | undefined, age: number) =>
      writePolicy(
        name,
        {
          targetRefs: [{ group: '', kind: 'Service', name: 'web', ...(section && { sectionName: section }) }],
          validation: { hostname, caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }] },
        },
        { age },
      );
    const world = open(named('young', 'young.test', undefined, 2), named('old', 'old.test', undefined, 1));
    assert.deepEqual(show(world), ['old.test']);
    assert.match(policyOf(world, 'young'), /^Accepted False Conflicted/);
    world.put(named('port', 'port.test', 'tls', 3));
    world.update();
    assert.deepEqual(show(world), ['old.test']);
    // The port gets the name that a policy mentions.
    world.put({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: 'shop', name: 'web' },
      spec: { ports: [{ port: 80, name: 'tls' }] },
    });
    world.update();
    assert.deepEqual(show(world), ['port.test']);
    assert.match(policyOf(world, 'port'), /^Accepted True/);
    assert.match(policyOf(world, 'old'), /^Accepted True/);
  });

  it('follow changes of a ConfigMap, and preserve the status until it is read', () => {
    const world = open(writePolicy('p', {}));
    for (const [state, want] of [
      [{ state: 'waiting' }, 'error'],
      [{ state: 'valid', pem: 'NEW' }, 'web.test'],
      [{ state: 'invalid', message: 'broken' }, 'error'],
    ] as const) {
      world.contents.set('ConfigMap shop/ca', state);
      assert.deepEqual(world.update(new Set(['ConfigMap shop/ca'])), ['HTTPRoute shop/a']);
      assert.deepEqual(show(world), [want]);
      assert.equal(world.report().policies.get('shop/p')?.isPending, state.state === 'waiting' ? true : undefined);
    }
    assert.deepEqual(world.update(new Set(['ConfigMap shop/other'])), []);
  });

  it('present the certificate of each Gateway, and nothing if it is invalid', () => {
    const tls = { backend: { clientCertificateRef: { name: 'client' } } };
    const world = open(writePolicy('p', {}));
    const second = { gatewayClassName: 'ours', listeners: [http({ hostname: 'x.test' })], tls };
    const parentRefs = [{ name: 'gw' }, { name: 'second' }];
    world.put(write('Gateway', 'second', second, { age: 1 }), writeRoute('a', { parentRefs }));
    world.contents.set('shop/client', { state: 'valid', pem: 'PAIR' });
    world.update();
    assert.deepEqual(
      sharesOf(world).map((share) => share.tls?.certificate?.pem),
      [undefined, 'PAIR'],
    );
    const labels = new Set(world.requests.map(({ owner }) => owner.label));
    assert.equal(labels.size, 2);
    world.contents.delete('shop/client');
    world.update(new Set(['shop/client']));
    assert.deepEqual(show(world), ['web.test', 'error']);
    const conditions = showConditions(world.report().gateways.get('shop/second')?.conditions);
    assert.match(conditions, /ResolvedRefs False InvalidClientCertificateRef/);
  });
});

describe('client certificates of HTTPS listeners', () => {
  const refs = { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }] };
  const clientsOf = (world: World) =>
    world.sites.sources
      .flatMap((source) => [...(source.listListeners?.() ?? [])])
      .map(({ id, tls }) => [id.split('/')[1], tls?.clients]);

  it('are verified as the port or the default requests, and not served until the authorities are known', () => {
    const frontend = {
      default: { validation: refs },
      perPort: [
        { port: 8443, tls: { validation: { ...refs, mode: 'AllowInsecureFallback' } } },
        { port: 9443, tls: {} },
      ],
    };
    const listeners = [https(), https({ name: 'any', port: 8443 }), https({ name: 'none', port: 9443 })];
    const world = new World(writeGateway(listeners, { tls: { frontend } }));
    world.contents.set('ConfigMap shop/ca', { state: 'waiting' });
    world.update();
    assert.deepEqual(clientsOf(world), [['none', undefined]]);
    assert.equal(world.report().gateways.get('shop/gw')?.isPending, true);
    world.contents.set('ConfigMap shop/ca', { state: 'valid', pem: 'PEM' });
    world.update(new Set(['ConfigMap shop/ca']));
    assert.deepEqual(clientsOf(world), [
      ['https', { name: 'Gateway-shop-gw/default', pem: 'PEM' }],
      ['any', { name: 'Gateway-shop-gw/8443', pem: 'PEM', isOptional: true }],
      ['none', undefined],
    ]);
    const conditions = showConditions(world.report().gateways.get('shop/gw')?.conditions);
    assert.match(conditions, /InsecureFrontendValidationMode True ConfigurationChanged/);
  });

  it('read the certificates of listeners that still wait for authorities or for their port', () => {
    const frontend = { default: { validation: refs } };
    const listeners = [https(), https({ name: 'other', port: 8443, tls: { certificateRefs: [{ name: 'second' }] } })];
    const world = new World(writeGateway(listeners, { tls: { frontend } }));
    world.sitePorts = new Map();
    world.contents.set('ConfigMap shop/ca', { state: 'waiting' });
    const listSecrets = () => [...(world.sites.sources[0]?.listSecrets() ?? [])];
    // Before the first update, as at a restart, and after it.
    assert.deepEqual(listSecrets(), ['ConfigMap shop/ca', 'shop/pair', 'shop/second']);
    world.update();
    assert.deepEqual(listSecrets(), ['ConfigMap shop/ca', 'shop/pair', 'shop/second']);
    assert.deepEqual(world.listeners, []);
    world.contents.set('ConfigMap shop/ca', { state: 'valid', pem: 'PEM' });
    world.sitePorts = new Map([['8443', 'TCP port 8443 is used by a program on the node']]);
    world.update(new Set(['ConfigMap shop/ca']));
    assert.deepEqual(listSecrets(), ['ConfigMap shop/ca', 'shop/pair']);
  });

  for (const [name, frontend] of [
    ['an unknown mode', { default: { validation: { ...refs, mode: 'Later' } } }],
    ['a list instead of an object', { default: [] }],
    ['an unreadable port', { perPort: [{ port: 'https', tls: { validation: refs } }] }],
    ['ports in an object instead of a list', { perPort: { port: 443, tls: { validation: refs } } }],
    [
      'more ports than the API allows',
      { perPort: Array.from({ length: 65 }, (_, index) => ({ port: index + 379, tls: { validation: refs } })) },
    ],
    [
      'a repeated port',
      {
        perPort: [
          { port: 443, tls: { validation: refs } },
          { port: 443, tls: {} },
        ],
      },
    ],
    ['text', 'required'],
  ] as const) {
    it(`are never skipped for ${name}`, () => {
      const world = new World(writeGateway([https(), http()], { tls: { frontend } }));
      world.contents.set('ConfigMap shop/ca', { state: 'valid', pem: 'PEM' });
      world.update();
      assert.deepEqual(clientsOf(world), [['http', undefined]]);
      assert.match(world.listenerOf('https'), /^Accepted False UnsupportedValue/);
    });
  }

  for (const tls of ['required', [{ frontend: { default: { validation: refs } } }], true]) {
    it(`are never skipped, and no certificate presented, if spec.tls is ${JSON.stringify(tls)}`, () => {
      const world = new World(writeGateway([https(), http()], { tls }));
      world.contents.set('ConfigMap shop/ca', { state: 'valid', pem: 'PEM' });
      world.update();
      assert.deepEqual(clientsOf(world), [['http', undefined]]);
      assert.match(world.listenerOf('https'), /^Accepted False UnsupportedValue/);
      const conditions = showConditions(world.report().gateways.get('shop/gw')?.conditions);
      assert.match(conditions, /ResolvedRefs False InvalidClientCertificateRef/);
    });
  }

  it('of a Gateway for backends are not ignored if spec.tls.backend is no object', () => {
    const world = new World(writeGateway([http()], { tls: { backend: 'shop/client' } }));
    world.update();
    const conditions = showConditions(world.report().gateways.get('shop/gw')?.conditions);
    assert.match(conditions, /ResolvedRefs False InvalidClientCertificateRef/);
  });
});

describe('unreadable restrictions of Gateways', () => {
  for (const [name, addresses] of [
    ['an object', { type: 'IPAddress', value: '192.0.2.10' }],
    ['a text', '192.0.2.10'],
    ['a list of texts', ['192.0.2.10']],
    ['a number as value', [{ value: 42 }]],
  ] as const) {
    it(`never mean any address: spec.addresses is ${name}`, () => {
      const world = new World(writeGateway([http()], { addresses }));
      world.update();
      assert.deepEqual(world.listeners, []);
      const conditions = showConditions(world.report().gateways.get('shop/gw')?.conditions);
      assert.match(conditions, /^Accepted False UnsupportedAddress/);
    });
  }

  for (const allowedRoutes of [
    'None',
    { namespaces: 'None' },
    { kinds: 'GRPCRoute' },
    { kinds: { kind: 'GRPCRoute' } },
  ]) {
    it(`never admit the usual routes: allowedRoutes is ${JSON.stringify(allowedRoutes)}`, () => {
      const world = new World(writeGateway([http({ allowedRoutes })]), writeRoute('a'));
      world.update();
      assert.deepEqual(world.listeners, []);
      assert.match(world.listenerOf('http'), /^Accepted False Invalid/);
    });
  }

  it('count as parameters in spec.infrastructure', () => {
    for (const infrastructure of ['x', { parametersRef: 'x' }]) {
      const world = new World(writeGateway([http()], { infrastructure }));
      world.update();
      assert.deepEqual(world.listeners, []);
    }
  });
});
