import assert from 'node:assert/strict';
import { defaultPolicy } from '../../../../src/ingress/claims/policy.ts';
import { describeHostClaims } from '../../../../src/ingress/http/describe-claims.ts';
import { type HttpDesiredSettings, SitePlanner } from '../../../../src/ingress/http/desired.ts';
import { traceRequest } from '../../../../src/ingress/http/trace.ts';
import { VerdictWriter } from '../../../../src/ingress/http/verdicts.ts';
import { defaultListener } from '../../../../src/ingress/intent/listener.ts';
import type { Match } from '../../../../src/ingress/intent/match.ts';
import type { SiteRequest } from '../../../../src/ingress/intent/site-request.ts';
import type { SiteSource } from '../../../../src/ingress/intent/site-source.ts';
import { Inventory } from '../../../../src/ingress/objects/inventory.ts';
import { readObject } from '../../../../src/ingress/objects/kinds.ts';
import { RouteSites } from '../../../../src/ingress/route/sites.ts';
import { route, service } from '../../../netns/ingress/http/objects.ts';

const settings: HttpDesiredSettings = {
  policy: { ...defaultPolicy, deniedDomains: ['denied.test'] },
  hosts: { allowsWildcards: false, sharesHosts: false },
  defaults: { balance: 'random', tcpBalance: 'source', checkInterval: 5000 },
  node: 'node',
  hasHttp2: true,
  readsSecrets: true,
};

/** A toy: each path has a Service of its own; `=/a` is exact. */
interface Toy {
  readonly name: string;
  readonly host: string;
  readonly paths: Readonly<Record<string, string>>;
  readonly namespace?: string;
  readonly age?: number;
}

/** A source of a kind that merges with itself, and whose objects have several paths. */
class Toys implements SiteSource {
  readonly kind = 'Toy';
  readonly #requests = new Map<string, readonly SiteRequest[]>();

  put(toy: Toy): void {
    this.#requests.set(`${toy.namespace ?? 'shop'}/${toy.name}`, [translate(toy)]);
  }

  listChanged(): Iterable<string> {
    return this.#requests.keys();
  }

  translate(key: string): readonly SiteRequest[] {
    return this.#requests.get(key) ?? [];
  }

  listSecrets(): Iterable<string> {
    return [];
  }
}

function translate({ name, host, paths, namespace = 'shop', age = 0 }: Toy): SiteRequest {
  const filters = { requestHeaders: [], responseHeaders: [], adjustsCase: false };
  const matches = Object.keys(paths).map((path, group): Match => {
    const isExact = path.startsWith('=');
    return { path: { type: isExact ? 'exact' : 'prefix', value: path.replace('=', '') }, filters, group };
  });
  const created = Date.UTC(2026, 0, 1) + age * 1000;
  return {
    owner: {
      kind: 'Toy',
      meta: { namespace, name, uid: `toy-${namespace}-${name}`, created, labels: {} },
      label: `${namespace}:toy.${name}`,
      fields: { host: 'spec.toyHost', path: 'spec.toyPath', wildcard: 'spec.toyWildcard' },
      merge: 'Toy',
    },
    listener: defaultListener,
    host,
    span: 'host',
    demand: {
      ok: true,
      value: {
        matches,
        groups: Object.values(paths).map((name) => ({ shares: [{ service: name, weight: 1 }] })),
        access: { limits: {} },
        warnings: [],
        ignored: [],
      },
    },
  };
}

function start(...objects: readonly object[]) {
  const inventory = new Inventory();
  for (const object of objects) {
    const read = readObject(object);
    assert.ok('object' in read);
    inventory.put(read.object);
  }
  const toys = new Toys();
  const routes = new RouteSites(inventory, settings.policy, { overridesAll: false, overriddenDomains: [] });
  const planner = new SitePlanner(inventory, [routes, toys], settings, () => ({ state: 'missing' }));
  const journal = inventory.openJournal();
  const decide = (...some: readonly Toy[]) => {
    for (const toy of some) toys.put(toy);
    return planner.compute(journal.take(), new Set());
  };
  return { decide, planner };
}

describe('A second source of layer 7 requests', () => {
  it('is served, claimed, traced and checked like Routes', () => {
    const { decide, planner } = start(...service('web', [8001]), ...service('api', [8002]));
    const desired = decide({ name: 'one', host: 'toy.test', paths: { '': 'web', '=/api': 'api', '/api': 'web' } });
    assert.deepEqual(
      desired.sites.get('toy.test')?.paths.map(({ path, exact, backend }) => [path, exact, backend]),
      [
        ['', undefined, 'be_http:shop:toy.one'],
        ['/api', true, 'be_http:shop:toy.one:1'],
        ['/api', undefined, 'be_http:shop:toy.one'],
      ],
    );
    assert.deepEqual(
      describeHostClaims(desired, new Map()).map(({ kind, name, path, admitted }) => [kind, name, path, admitted]),
      [
        ['Toy', 'one', '', true],
        ['Toy', 'one', '/api', true],
        ['Toy', 'one', '/api', true],
      ],
    );
    const trace = (path: string) =>
      traceRequest(
        desired,
        { host: 'toy.test', path, tls: false },
        { http: 80, https: 443 },
        planner.finder,
      ).endpoints.map(({ port }) => port);
    assert.deepEqual([trace('/'), trace('/api'), trace('/api/x')], [[8001], [8002], [8001]]);
    const [verdict] = new VerdictWriter(planner.finder).list(desired, new Map());
    assert.deepEqual([verdict?.meta.name, verdict?.host, verdict?.reason], ['one', 'toy.test', undefined]);
  });

  it('shares the order of claims with Routes: the oldest object owns the host', () => {
    const { decide } = start(
      route('young', 'a.test', { namespace: 'bank', age: 5 }),
      route('old', 'b.test', { age: 1 }),
    );
    const { served, refused } = decide(
      { name: 'first', host: 'a.test', paths: { '/x': 'web' }, age: 2 },
      { name: 'second', host: 'b.test', paths: { '/y': 'web' }, namespace: 'bank', age: 2 },
    );
    assert.deepEqual(served.map(({ request }) => request.owner.meta.name).sort(), ['first', 'old']);
    assert.deepEqual(refused.map(({ message }) => message).sort(), [
      'host a.test belongs to an older Toy of another namespace',
      'host b.test belongs to an older Route of another namespace',
    ]);
  });

  it('merges requests of its own kind across namespaces, and no others', () => {
    const { decide } = start(route('route', 'a.test', { age: 9 }));
    const { served, refused, sites } = decide(
      { name: 'one', host: 'a.test', paths: { '/x': 'web' }, age: 1 },
      { name: 'two', host: 'a.test', paths: { '/x': 'api', '/y': 'api' }, namespace: 'bank', age: 2 },
    );
    assert.deepEqual(
      served.map(({ request }) => request.owner.meta.name),
      ['one', 'two', 'route'],
    );
    assert.deepEqual(
      sites.get('a.test')?.paths.map(({ path, backend }) => `${path} ${backend}`),
      ['/x be_http:shop:toy.one', '/x be_http:bank:toy.two', '/y be_http:bank:toy.two', ' be_http:shop:route'],
    );
    assert.deepEqual(refused, []);
  });

  it('respects the denied domains', () => {
    const { decide } = start();
    const { refused } = decide({ name: 'one', host: 'x.denied.test', paths: { '': 'web' } });
    assert.deepEqual(
      refused.map(({ reason, message }) => [reason, message]),
      [['RouteNotAdmitted', 'spec.toyHost "x.denied.test": is in a domain that this router denies']],
    );
  });
});
