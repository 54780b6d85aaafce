import assert from 'node:assert/strict';
import fc from 'fast-check';
import { keyOf } from '../../../../src/base/read/object-meta.ts';
import { parseLabelSelector } from '../../../../src/ingress/claims/label-selector.ts';
import { defaultPolicy } from '../../../../src/ingress/claims/policy.ts';
import { type DesiredSites, type HttpDesiredSettings, SitePlanner } from '../../../../src/ingress/http/desired.ts';
import type { SiteRequest } from '../../../../src/ingress/intent/site-request.ts';
import type { SiteSource } from '../../../../src/ingress/intent/site-source.ts';
import { type Changes, Inventory } from '../../../../src/ingress/objects/inventory.ts';
import { readObject } from '../../../../src/ingress/objects/kinds.ts';
import { RouteSites } from '../../../../src/ingress/route/sites.ts';
import { route, service } from '../../../netns/ingress/http/objects.ts';

const namespaceLabels = parseLabelSelector('env=prod') ?? [];

const settings: HttpDesiredSettings = {
  policy: { ...defaultPolicy, namespaceLabels },
  hosts: { allowsWildcards: true, sharesHosts: false },
  defaults: { balance: 'random', tcpBalance: 'source', checkInterval: 5000 },
  node: 'node',
  hasHttp2: true,
  readsSecrets: true,
};
const noChanges: Changes = { has: () => false, of: () => new Set() };

function plannerOf(inventory: Inventory): SitePlanner {
  return new SitePlanner(inventory, sourcesOf(inventory), settings, () => ({ state: 'missing' }));
}

function sourcesOf(inventory: Inventory): readonly SiteSource[] {
  return [new RouteSites(inventory, settings.policy, { overridesAll: false, overriddenDomains: [] })];
}

function put(inventory: Inventory, ...objects: readonly object[]): void {
  for (const object of objects) {
    const read = readObject(object);
    assert.ok('object' in read, JSON.stringify(object));
    inventory.put(read.object);
  }
}

function namespace(name: string, env: string): object {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { env } } };
}

/** What is decided, in an order of its own. */
function describeSites({ served, unfit, refused, sites, passthrough, backends }: DesiredSites): object {
  const nameOf = ({ request }: { readonly request: SiteRequest }) => keyOf(request.owner.meta);
  const sort = (lines: readonly string[]) => lines.toSorted();
  return {
    served: sort(served.map((one) => `${nameOf(one)} ${one.host}`)),
    unfit: sort(unfit.map((one) => `${nameOf(one)} ${one.refusal.reason}`)),
    refused: sort(refused.map((one) => `${nameOf(one)} ${one.reason} ${one.message}`)),
    sites: new Map([...sites].map(([host, { paths }]) => [host, sort(paths.map((path) => JSON.stringify(path)))])),
    passthrough: new Map(passthrough),
    backends: new Map(backends),
  };
}

describe('SitePlanner', () => {
  it('forgets a Route that is deleted while its namespace changes, as in a deleted namespace', () => {
    const inventory = new Inventory();
    const journal = inventory.openJournal();
    const planner = plannerOf(inventory);
    put(inventory, namespace('shop', 'prod'), namespace('bank', 'prod'));
    put(inventory, route('old', 'web.test', { age: 1 }), route('young', 'web.test', { namespace: 'bank', age: 2 }));
    const serving = () => planner.compute(journal.take(), new Set()).served.map((one) => one.request.owner.meta.name);
    assert.deepEqual(serving(), ['old']);
    put(inventory, namespace('shop', 'prod'));
    inventory.remove('Route', 'shop/old');
    assert.deepEqual(serving(), ['young']);
  });

  it('retries after a failure', () => {
    const inventory = new Inventory();
    const journal = inventory.openJournal();
    let fails = true;
    const planner = new SitePlanner(inventory, sourcesOf(inventory), settings, () => {
      if (fails) throw new Error('a fault');
      return { state: 'missing' };
    });
    put(inventory, namespace('shop', 'prod'));
    assert.equal(planner.compute(journal.take(), new Set()).served.length, 0);
    const tls = { termination: 'edge', externalCertificate: { name: 'pair' } };
    put(inventory, route('web', 'web.test'), route('tls', 'tls.test', { spec: { tls } }));
    assert.throws(() => planner.compute(journal.take(), new Set()), /a fault/);
    fails = false;
    const { served, unfit } = planner.compute(journal.take(), new Set());
    assert.deepEqual(
      [...served, ...unfit].map((one) => one.request.owner.meta.name),
      ['web', 'tls'],
    );
  });

  it('reaches the same result by increments as by planning from scratch', () => {
    const name = fc.constantFrom('a', 'b', 'c');
    const home = fc.constantFrom('shop', 'bank');
    const words = fc.record({
      host: fc.constantFrom('x.w.test', 'y.w.test', 'w.test', 'z.x.w.test'),
      age: fc.integer({ min: 0, max: 3 }),
      path: fc.constantFrom('', '/', '/a', '/a/'),
      wildcardPolicy: fc.constantFrom('None', 'Subdomain'),
      termination: fc.constantFrom(undefined, 'edge', 'passthrough'),
      service: fc.constantFrom('web', 'api'),
    });
    const event = fc.oneof(
      fc.record({ do: fc.constant('route' as const), home, name, words: fc.option(words, { nil: undefined }) }),
      fc.record({ do: fc.constant('service' as const), home, ports: fc.subarray([8001, 8002]) }),
      fc.record({ do: fc.constant('namespace' as const), home, env: fc.constantFrom('prod', 'prod', 'test') }),
    );
    fc.assert(
      fc.property(fc.array(fc.array(event, { maxLength: 4 }), { maxLength: 20 }), (batches) => {
        const inventory = new Inventory();
        const journal = inventory.openJournal();
        const planner = plannerOf(inventory);
        for (const batch of batches) {
          for (const one of batch) {
            if (one.do === 'namespace') put(inventory, namespace(one.home, one.env));
            else if (one.do === 'service') put(inventory, ...service('web', one.ports, { namespace: one.home }));
            else if (one.words === undefined) inventory.remove('Route', `${one.home}/${one.name}`);
            else {
              const { host, age, path, wildcardPolicy, termination, service: to } = one.words;
              const tls = termination === undefined ? {} : { tls: { termination } };
              const spec = { wildcardPolicy, ...(termination !== 'passthrough' && { path }), ...tls };
              put(inventory, route(one.name, host, { namespace: one.home, age, service: to, spec }));
            }
          }
          const got = describeSites(planner.compute(journal.take(), new Set()));
          assert.deepEqual(got, describeSites(plannerOf(inventory).compute(noChanges, new Set())));
        }
      }),
      { numRuns: 200 },
    );
  }).timeout(120_000);
});
