import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { defaultPolicy } from '../../../../src/ingress/claims/policy.ts';
import type { Pending } from '../../../../src/ingress/haproxy/report.ts';
import type { Rule, Target } from '../../../../src/ingress/haproxy/rule.ts';
import { describeHostClaims } from '../../../../src/ingress/http/describe-claims.ts';
import { type DesiredSites, type HttpDesiredSettings, SitePlanner } from '../../../../src/ingress/http/desired.ts';
import { VerdictWriter } from '../../../../src/ingress/http/verdicts.ts';
import { Inventory } from '../../../../src/ingress/objects/inventory.ts';
import { readObject } from '../../../../src/ingress/objects/kinds.ts';
import { RouteSites } from '../../../../src/ingress/route/sites.ts';
import { makePem } from '../../../netns/ingress/haproxy/fixtures.ts';
import { route, service } from '../../../netns/ingress/http/objects.ts';
import { GatewayToys, makeListener, type ToyRoute, type ToyRule } from './gateway-toys.ts';

const settings: HttpDesiredSettings = {
  policy: defaultPolicy,
  hosts: { allowsWildcards: false, sharesHosts: false },
  defaults: { balance: 'random', tcpBalance: 'source', checkInterval: 5000 },
  node: 'node',
  hasHttp2: true,
  readsSecrets: true,
  gateways: {
    own: { http: 80, https: 443 },
    ports: { http: { from: 61_000, to: 61_003 }, tls: { from: 61_004, to: 61_007 } },
    inner: 2,
  },
};

function start(...objects: readonly object[]) {
  return startDenying([], ...objects);
}

function startDenying(deniedDomains: readonly string[], ...objects: readonly object[]) {
  const policy = { ...settings.policy, deniedDomains };
  const inventory = new Inventory();
  for (const object of objects) {
    const read = readObject(object);
    assert.ok('object' in read);
    inventory.put(read.object);
  }
  const toys = new GatewayToys();
  const routes = new RouteSites(inventory, policy, { overridesAll: false, overriddenDomains: [] });
  const planner = new SitePlanner(inventory, [routes, toys], { ...settings, policy }, () => ({ state: 'missing' }));
  const journal = inventory.openJournal();
  const compute = () => planner.compute(journal.take(), new Set());
  const list = (desired: DesiredSites, pending?: ReadonlyMap<string, Pending>) =>
    new VerdictWriter(planner.finder).list(desired, new Map(), pending);
  const judge = (desired: DesiredSites) =>
    list(desired).map(({ meta, listener, arrival, reason }) => [
      arrival ?? listener ?? 'default',
      meta.name,
      reason ?? 'served',
    ]);
  return { toys, compute, judge, list, inventory };
}

function prefix(value: string, ...services: readonly string[]): ToyRule {
  return { path: { type: 'element', value }, services };
}

function nameTarget(target: Target): string {
  if (target.kind === 'backend') return target.backend.replace(/^be_http:shop:toy\./, '');
  if (target.kind === 'answer') return String(target.status);
  if (target.kind === 'redirect') return 'redirect';
  return target.parts.map((part) => `${part.weight}×${nameTarget(part.target)}`).join(' ');
}

function listRules(desired: DesiredSites, key: string): readonly string[] | undefined {
  const host = desired.gateway.gateways.hosts.get(key);
  return host?.rules.map(({ path, target }) => `${path.value} ${nameTarget(target)}`);
}

const at = '80@10.0.0.1';

describe('SitePlanner with listeners of Gateways', () => {
  it('puts rules of all routes of a name in order of precedence', () => {
    const { toys, compute } = start(...service('web', [8001]), ...service('other', [8002]));
    toys.listen(makeListener('gw/a'));
    toys.put(
      { name: 'young', age: 2, hosts: { 'gw/a': ['a.test'] }, rules: [prefix('/', 'web'), prefix('/long/', 'other')] },
      {
        name: 'old',
        age: 1,
        hosts: { 'gw/a': ['a.test', '*.test'] },
        rules: [prefix('/', 'web'), { ...prefix('/', 'other'), method: 'GET' }],
      },
      {
        name: 'exact',
        age: 3,
        hosts: { 'gw/a': ['a.test'] },
        rules: [
          { path: { type: 'exact', value: '/x' }, services: ['web'] },
          { path: { type: 'regex', value: '/.' }, services: ['other'] },
        ],
      },
    );
    const desired = compute();
    assert.deepEqual(listRules(desired, `${at}|a.test`), [
      '/x exact',
      '/. exact:1',
      '/long/ young:1',
      '/ old:1',
      '/ old',
      '/ young',
    ]);
    assert.deepEqual(listRules(desired, `${at}|*.test`), ['/ old:1', '/ old']);
    assert.deepEqual([...desired.backends.keys()].length, 6);
    const claims = describeHostClaims(desired, new Map()).filter(({ host }) => host === '*.test');
    assert.deepEqual(
      claims.map(({ kind, name, listener, path, admitted }) => [kind, name, listener, path, admitted]),
      [
        ['Toy', 'old', 'a', '/', true],
        ['Toy', 'old', 'a', '/', true],
      ],
    );
  });

  it('lets the most specific listener own a name, and falls through to wildcards of the same listener only', () => {
    const { toys, compute } = start(...service('web', [8001]));
    toys.listen(
      makeListener('gw/all'),
      makeListener('gw/wild', { hostname: '*.a.test' }),
      makeListener('gw/host', { hostname: 'x.a.test' }),
      makeListener('gw/other', { addresses: ['10.0.0.2'] }),
    );
    toys.put(
      { name: 'all', hosts: { 'gw/all': ['*'], 'gw/other': ['*'] }, rules: [prefix('/', 'web')] },
      { name: 'wild', hosts: { 'gw/wild': ['*.a.test'] }, rules: [prefix('/w', 'web')] },
      { name: 'deep', hosts: { 'gw/wild': ['d.b.a.test'] }, rules: [prefix('/d', 'web')] },
    );
    const desired = compute();
    const found = ['*', '*.a.test', 'x.a.test', 'd.b.a.test'].map((name) => listRules(desired, `${at}|${name}`));
    assert.deepEqual(found, [['/ all'], ['/w wild'], [], ['/d deep', '/w wild']]);
    assert.deepEqual(listRules(desired, '80@10.0.0.2|*'), ['/ all']);
  });

  it('gives each share its part of the requests', () => {
    const { toys, compute } = start(...service('web', [8001]), ...service('empty', []));
    toys.listen(makeListener('gw/a'));
    const mixed = prefix('/mixed', 'web=70', 'missing=20', 'empty=10');
    toys.put({
      name: 'r',
      hosts: { 'gw/a': ['a.test'] },
      rules: [
        mixed,
        prefix('/none'),
        prefix('/zero', 'web=0'),
        { ...prefix('/bad', 'missing'), group: { errors: { invalid: 503 } } },
        prefix('/e', 'empty'),
      ],
    });
    assert.deepEqual(listRules(compute(), `${at}|a.test`), [
      '/mixed 70×r 10×503 20×500',
      '/none 500',
      '/zero 500',
      '/bad 503',
      '/e 503',
    ]);
  });

  it('reuses what a change does not affect, and follows endpoints', () => {
    const { toys, compute, inventory } = start(...service('web', [8001]), ...service('api', []));
    toys.listen(makeListener('gw/a'));
    const make = (name: string, service: string): ToyRoute => ({
      name,
      hosts: { 'gw/a': [`${name}.test`] },
      rules: [prefix('/', service)],
    });
    toys.put(make('one', 'web'), make('two', 'api'));
    const before = compute();
    for (const object of service('api', [8002])) {
      const read = readObject(object);
      if ('object' in read) inventory.put(read.object);
    }
    const after = compute();
    assert.deepEqual(listRules(before, `${at}|two.test`), ['/ 503']);
    assert.deepEqual(listRules(after, `${at}|two.test`), ['/ two']);
    const key = `${at}|one.test`;
    assert.equal(after.gateway.gateways.hosts.get(key), before.gateway.gateways.hosts.get(key));
    toys.delete('shop/two');
    const end = compute();
    assert.deepEqual(
      [end.gateway.gateways.hosts.has(`${at}|two.test`), [...end.backends.keys()]],
      [false, ['be_http:shop:toy.one']],
    );
  });

  it('leaves no backend of a deleted route with several hosts, whatever its Services did', () => {
    const { toys, compute, inventory } = start(...service('web', [8001]), ...service('api', [8002]));
    toys.listen(makeListener('gw/a'), makeListener('gw/b', { port: 81 }));
    const putSlices = (ports: readonly number[]) => {
      for (const object of service('api', ports)) {
        const read = readObject(object);
        if ('object' in read) inventory.put(read.object);
      }
    };
    toys.put({ name: 'stays', hosts: { 'gw/a': ['stays.test'] }, rules: [prefix('/', 'web')] });
    const names = Array.from({ length: 20 }, (_, index) => `r${index}`);
    const before = [...compute().backends.keys()];
    for (let round = 0; round < 3; round++) {
      putSlices([8002]);
      for (const name of names) {
        const hosts = { 'gw/a': [`${name}.a.test`, `${name}.b.test`], 'gw/b': [`${name}.a.test`] };
        toys.put({ name, hosts, rules: [prefix('/', 'web'), prefix('/api', 'api')] });
      }
      assert.equal(compute().backends.size, before.length + 2 * names.length);
      inventory.remove('EndpointSlice', 'shop/api-0');
      assert.equal(compute().backends.size, before.length + names.length);
      for (const name of names) toys.delete(`shop/${name}`);
      assert.deepEqual([...compute().backends.keys()], before);
    }
  });

  it('lets each host of the agent’s own ports belong to a Route or to routes of Gateways', () => {
    const { toys, compute, judge } = start(
      ...service('web', [8001]),
      route('old', 'old.test', { age: 1 }),
      route('young', 'new.test', { age: 9, namespace: 'bank' }),
    );
    toys.listen(makeListener('gw/own', { addresses: [] }), makeListener('gw/pool'));
    toys.put(
      {
        name: 'a',
        namespace: 'x',
        age: 5,
        hosts: { 'gw/own': ['old.test'], 'gw/pool': ['old.test'] },
        rules: [prefix('/', 'web')],
      },
      { name: 'b', namespace: 'x', age: 5, hosts: { 'gw/own': ['new.test'] }, rules: [prefix('/', 'web')] },
    );
    assert.deepEqual(judge(compute()), [
      ['default', 'old', 'served'],
      ['gw/own', 'b', 'served'],
      ['gw/pool', 'a', 'served'],
      ['own', 'gw', 'served'],
      ['pool', 'gw', 'served'],
      ['default', 'young', 'HostAlreadyClaimed'],
      ['gw/own', 'a', 'HostAlreadyClaimed'],
    ]);
  });

  it('rejects a route that HAProxy cannot serve, and no other', () => {
    const { toys, compute, judge } = startDenying(['denied.test'], ...service('web', [8001]));
    toys.listen(makeListener('gw/a'));
    const deep = Array.from({ length: 16 }, (_, index) => ({ name: `x${index}`, type: 'exact' as const, value: 'v' }));
    toys.put(
      { name: 'good', hosts: { 'gw/a': ['a.test'] }, rules: [{ ...prefix('/', 'web'), method: 'GET' }] },
      { name: 'blank', hosts: { 'gw/a': ['a.test'] }, rules: [prefix('/a b', 'web')] },
      { name: 'denied', hosts: { 'gw/a': ['x.denied.test'] }, rules: [prefix('/', 'web')] },
      { name: 'all', hosts: { 'gw/a': ['*'] }, rules: [prefix('/', 'web')] },
      { name: 'below', hosts: { 'gw/a': ['*.test'] }, rules: [prefix('/', 'web')] },
      { name: 'deep', hosts: { 'gw/a': ['a.test'] }, rules: [{ ...prefix('/', 'web'), headers: deep }] },
      ...Array.from(
        { length: 30 },
        (_, index): ToyRoute => ({
          name: `wide${index}`,
          age: 10 + index,
          hosts: { 'gw/a': ['a.test'] },
          rules: Array.from({ length: 64 }, (_, value) => ({
            ...prefix('/', 'web'),
            headers: [{ name: 'h', type: 'exact' as const, value: `${index}-${value}` }],
          })),
        }),
      ),
    );
    const desired = compute();
    const verdicts = judge(desired);
    const reasons = new Map(verdicts.map(([, name = '', reason = '']) => [name, reason]));
    assert.deepEqual(
      ['denied', 'all', 'below'].map((name) => reasons.get(name)),
      ['NotAllowedByListeners', 'NotAllowedByListeners', 'NotAllowedByListeners'],
    );
    assert.deepEqual(
      ['good', 'blank', 'deep', 'wide0', 'wide29'].map((name) => reasons.get(name)),
      ['served', 'UnsupportedValue', 'UnsupportedValue', 'served', 'UnsupportedValue'],
    );
    assert.ok((listRules(desired, `${at}|a.test`)?.length ?? 0) > 500);
  });

  it('assigns ports and keeps them, and reports listeners without one', () => {
    const { toys, compute, judge } = start();
    const ports = [8080, 8081, 8082, 8083];
    toys.listen(...ports.slice(0, 2).map((port) => makeListener(`gw/p${port}`, { port })));
    const before = compute().gateway.translations;
    toys.listen(...ports.slice(2).map((port) => makeListener(`gw/p${port}`, { port, addresses: [] })));
    const desired = compute();
    const { translations } = desired.gateway;
    assert.deepEqual(
      translations.filter(({ port }) => port < 8082),
      before,
    );
    assert.equal(new Set(translations.map(({ to }) => to)).size, 4);
    assert.deepEqual(
      translations
        .map(({ addresses, port }) => [port, addresses])
        .sort(([one], [other]) => Number(one) - Number(other)),
      [
        [8080, ['10.0.0.1']],
        [8081, ['10.0.0.1']],
        [8082, []],
        [8083, []],
      ],
    );
    toys.listen(makeListener('gw/five', { port: 8084 }), makeListener('other/p', { port: 8080 }));
    assert.deepEqual(judge(compute()).slice(-2), [
      ['five', 'gw', 'PortUnavailable'],
      ['p', 'other', 'PortUnavailable'],
    ]);
  });

  it('gives listeners their certificates, and names in a ClientHello their backends', () => {
    const { toys, compute, judge, list } = start(...service('web', [8001]));
    const source = (pem: string) => ({
      from: 'text' as const,
      certificate: { pem, field: 'tls' },
      key: { pem, field: 'tls' },
      fields: { certificate: 'tls', key: 'tls' },
    });
    const ends = (...pems: readonly string[]) => ({ end: 'router' as const, certificates: pems.map(source) });
    const https = { port: 8443, protocol: 'HTTPS' as const };
    const [wild, other, own] = ['*.a.test', 'b.test', 'own.test'].map((name) => makePem(name));
    toys.listen(
      makeListener('gw/wild', { ...https, hostname: '*.a.test', tls: ends(wild ?? '') }),
      makeListener('gw/all', { ...https, tls: ends(other ?? '', own ?? '') }),
      makeListener('gw/bad', { ...https, hostname: 'bad.test', tls: ends('no certificate') }),
      makeListener('gw/pass', {
        port: 8443,
        protocol: 'TLS',
        hostname: '*.p.test',
        tls: { end: 'endpoint', certificates: [] },
      }),
    );
    toys.put(
      { name: 'passed', hosts: { 'gw/pass': ['x.p.test'] }, rules: [prefix('', 'web')] },
      { name: 'ended', hosts: { 'gw/all': ['b.test'] }, rules: [prefix('/', 'web')] },
    );
    const desired = compute();
    assert.deepEqual(
      [...desired.certificates.values()].map(({ hosts, inner }) => [hosts, inner]),
      [
        [['*.a.test'], 1],
        [['b.test'], 1],
        [['own.test'], 1],
      ],
    );
    const { tlsNames, defaults, inner, owners } = desired.gateway.gateways;
    // Those who pay for reloads.
    assert.equal(owners.get(1)?.defaults, 'infra');
    assert.ok([...desired.certificates.keys()].every((name) => name.startsWith('infra:inner-1:')));
    assert.deepEqual([...inner], [['8443@10.0.0.1', 1]]);
    assert.equal(defaults.get(1), [...desired.certificates.values()].find(({ hosts }) => hosts[0] === 'b.test')?.pem);
    assert.deepEqual(
      [...tlsNames.values()].map(({ key, to }) => [key.slice(key.indexOf('|') + 1), to]),
      [
        ['*.a.test', 'end'],
        ['*', 'end'],
        ['bad.test', 'reject'],
        ['*.p.test', 'reject'],
        ['x.p.test', { backend: 'be_tcp:shop:toy.passed' }],
      ],
    );
    assert.equal(desired.backends.get('be_tcp:shop:toy.passed')?.mode, 'tcp');
    const reasons = judge(desired).map(([listener, , reason]) => `${listener} ${reason}`);
    assert.ok(reasons.includes('bad InvalidCertificateRef') && reasons.includes('wild served'), reasons.join());
    // A certificate that waits for a reload of HAProxy.
    const waiting = [...desired.certificates.values()].find(({ hosts }) => hosts[0] === '*.a.test')?.name ?? '';
    for (const [cause, pending, reason] of [
      ['reload', 'all', undefined],
      ['budget', undefined, 'NotApplied'],
    ] as const) {
      const verdicts = list(desired, new Map([[waiting, { isServed: false, cause }]]));
      const found = (name: string) => verdicts.find(({ listener }) => listener === name);
      assert.deepEqual([found('wild')?.pending?.what, found('wild')?.reason], [pending, reason]);
      assert.deepEqual([found('all')?.pending?.what, found('all')?.reason], [undefined, undefined]);
    }
  });

  it('decides as the specification does', () => {
    const labels = fc.constantFrom('a', 'b', 'a.b', 'b.a');
    const hostname = fc.oneof(
      labels.map((one) => `${one}.test`),
      labels.map((one) => `*.${one}.test`),
      fc.constantFrom('*.test', '*'),
    );
    const path = fc.constantFrom('/', '/x', '/x/y', '/xy');
    const rule = fc.record({
      type: fc.constantFrom('exact' as const, 'element' as const),
      value: path,
      isPut: fc.boolean(),
    });
    const made = fc.record({
      hosts: fc.uniqueArray(hostname, { minLength: 1, maxLength: 3 }),
      rules: fc.array(rule, { minLength: 1, maxLength: 3 }),
      age: fc.nat(3),
    });
    const hostnames = fc.uniqueArray(hostname, { minLength: 1, maxLength: 3 });
    const request = fc.record({
      host: fc.oneof(
        labels.map((one) => `${one}.test`),
        labels.map((one) => `x.y.${one}.test`),
      ),
      path,
      method: fc.constantFrom('GET', 'PUT'),
    });
    fc.assert(
      fc.property(
        hostnames,
        fc.array(made, { maxLength: 4 }),
        fc.array(request, { minLength: 1, maxLength: 10 }),
        (listeners, routes, requests) => {
          // Rules with the same Services would share a backend.
          const names = ['web-0', 'web-1', 'web-2'];
          const { toys, compute } = start(...names.flatMap((name) => service(name, [8001])));
          for (const [index, name] of listeners.entries())
            toys.listen(makeListener(`gw/l${index}`, name === '*' ? {} : { hostname: name }));
          const toyRoutes = routes.map(
            ({ hosts, rules, age }, index): ToyRoute => ({
              name: `r${index}`,
              age,
              hosts: Object.fromEntries(listeners.map((own, number) => [`gw/l${number}`, intersect(own, hosts)])),
              rules: rules.map(({ type, value, isPut }, position) => ({
                path: { type, value },
                services: [`web-${position}`],
                ...(isPut && { method: 'PUT' }),
              })),
            }),
          );
          toys.put(...toyRoutes);
          const desired = compute();
          for (const one of requests) assert.equal(decide(desired, one), specify(listeners, toyRoutes, one));
        },
      ),
      { numRuns: 100 },
    );
  });
});

interface Asked {
  readonly host: string;
  readonly path: string;
  readonly method: string;
}

function isIn(host: string, pattern: string): boolean {
  return pattern === '*' || host === pattern || (pattern.startsWith('*.') && host.endsWith(pattern.slice(1)));
}

/** Returns the intersections of route names with a listener's, as a source does. */
function intersect(listener: string, names: readonly string[]): readonly string[] {
  return [
    ...new Set(names.flatMap((name) => (isIn(name, listener) ? [name] : isIn(listener, name) ? [listener] : []))),
  ];
}

function fits({ path, method }: Pick<ToyRule, 'path' | 'method'>, asked: Asked): boolean {
  if (method !== undefined && method !== asked.method) return false;
  const value = path.value.replace(/\/+$/, '');
  if (path.type === 'exact') return asked.path === path.value;
  return asked.path === value || asked.path.startsWith(`${value}/`);
}

/** The answer by the keys of the plan: the most specific name, then the first rule that matches. */
function decide(desired: DesiredSites, asked: Asked): string {
  const parts = asked.host.split('.');
  const names = [asked.host, ...parts.slice(1).map((_, index) => `*.${parts.slice(index + 1).join('.')}`), '*'];
  const { hosts } = desired.gateway.gateways;
  const name = names.find((one) => hosts.has(`${at}|${one}`));
  const rules = name === undefined ? [] : (hosts.get(`${at}|${name}`)?.rules ?? []);
  const found = rules.find((rule: Rule) => {
    const [method] = rule.conditions;
    const path = {
      type: rule.path.type === 'exact' ? ('exact' as const) : ('element' as const),
      value: rule.path.value,
    };
    return fits({ path, ...(method !== undefined && { method: method.value }) }, asked);
  });
  return found === undefined ? '404' : nameTarget(found.target);
}

/** The answer by the words of the specification. */
function specify(listeners: readonly string[], routes: readonly ToyRoute[], asked: Asked): string {
  const byLength = (one: string, other: string) =>
    Number(other === asked.host) - Number(one === asked.host) || other.length - one.length;
  const own = listeners.filter((name) => isIn(asked.host, name)).sort(byLength)[0];
  if (own === undefined) return '404';
  const listener = `gw/l${listeners.indexOf(own)}`;
  const names = new Set(routes.flatMap(({ hosts }) => hosts[listener] ?? []));
  for (const name of [...names].filter((one) => isIn(asked.host, one)).sort(byLength)) {
    const all = routes
      .filter(({ hosts }) => hosts[listener]?.includes(name))
      .flatMap((route) => route.rules.map((rule, index) => ({ route, rule, index })))
      .filter(({ rule }) => fits(rule, asked));
    const length = ({ path }: ToyRule) => path.value.replace(/\/+$/, '').length;
    all.sort(
      (one, other) =>
        Number(other.rule.path.type === 'exact') - Number(one.rule.path.type === 'exact') ||
        length(other.rule) - length(one.rule) ||
        Number(other.rule.method !== undefined) - Number(one.rule.method !== undefined) ||
        (one.route.age ?? 0) - (other.route.age ?? 0) ||
        (one.route.name < other.route.name ? -1 : one.route.name > other.route.name ? 1 : 0) ||
        one.index - other.index,
    );
    const [first] = all;
    if (first !== undefined) return `${first.route.name}${first.index === 0 ? '' : `:${first.index}`}`;
  }
  return '404';
}
