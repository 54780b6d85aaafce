import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { FairTurns } from '../../../../src/base/model/fair-turns.ts';
import { defaultPolicy } from '../../../../src/ingress/claims/policy.ts';
import { SiteTurns } from '../../../../src/ingress/http/site-turns.ts';
import type { SiteRequest } from '../../../../src/ingress/intent/site-request.ts';
import type { SiteSource } from '../../../../src/ingress/intent/site-source.ts';
import { type Changes, Inventory } from '../../../../src/ingress/objects/inventory.ts';
import { readObject } from '../../../../src/ingress/objects/kinds.ts';
import { RouteSites } from '../../../../src/ingress/route/sites.ts';
import { route } from '../../../netns/ingress/http/objects.ts';

function changesOf(...keys: readonly string[]): Changes {
  const kinds = { Route: new Set(keys), Service: new Set(['shop/web']) };
  return {
    has: (...asked) => asked.some((kind) => kind in kinds),
    of: (kind) => (kind === 'Route' || kind === 'Service' ? kinds[kind] : new Set()),
  };
}

/** A source whose Routes all have a certificate. */
function source(): SiteSource {
  const inventory = new Inventory();
  const spec = { tls: { termination: 'edge', certificate: 'c', key: 'k' } };
  const read = readObject(route('r', 'r.test', { spec }));
  assert.ok('object' in read);
  inventory.put(read.object);
  const routes = new RouteSites(inventory, defaultPolicy, { overridesAll: false, overriddenDomains: [] });
  const requests: readonly SiteRequest[] = routes.translate('shop/r');
  assert.equal(requests.length, 1);
  return { kind: 'Route', listChanged: () => [], translate: () => requests, listSecrets: () => [] };
}

const many = (namespace: string, count: number) => Array.from({ length: count }, (_, i) => `${namespace}/r${i}`);

describe('Turns of changed objects', () => {
  it('decide about a small namespace before the rest of a large one', () => {
    const turns = new SiteTurns([source()]);
    assert.equal(turns.cut(changesOf(...many('large', 3000))).of('Route').size, 50);
    const due = turns.cut(changesOf('small/new')).of('Route');
    assert.ok(due.has('small/new'));
    assert.equal(turns.hasMore, true);
  });

  it('omit nothing, and contain a Route once if it changes again', () => {
    const turns = new SiteTurns([source()]);
    const keys = many('a', 120).concat(many('b', 70));
    const seen: string[] = [...turns.cut(changesOf(...keys)).of('Route')];
    const last = keys.filter((key) => !seen.includes(key)).slice(0, 5);
    seen.push(...turns.cut(changesOf(...last)).of('Route'));
    while (turns.hasMore) seen.push(...turns.cut(changesOf()).of('Route'));
    assert.deepEqual(seen.sort(), keys.sort());
  });

  it('keep changes of other kinds', () => {
    const changes = new SiteTurns([source()]).cut(changesOf());
    assert.deepEqual(
      [changes.has('Route'), changes.has('Service'), [...changes.of('Service')]],
      [false, true, ['shop/web']],
    );
  });
});

describe('Fair turns', () => {
  it('alternate, regardless of the cost of a turn', () => {
    const turns = new FairTurns();
    const used: Record<string, number> = { a: 0, b: 0 };
    for (let i = 0; i < 100; i++) {
      const [next = ''] = turns.order(['a', 'b']);
      const amount = next === 'a' ? 10 : 3;
      turns.spend(next, amount);
      used[next] = (used[next] ?? 0) + amount;
    }
    assert.ok(Math.abs((used.a ?? 0) - (used.b ?? 0)) <= 10, JSON.stringify(used));
  });

  it('give a new tenant no credit for the past', () => {
    const turns = new FairTurns();
    turns.order(['a']);
    turns.spend('a', 1000);
    assert.deepEqual(turns.order(['a', 'b']), ['b', 'a']);
    turns.spend('b', 10);
    assert.deepEqual(turns.order(['a', 'b']), ['a', 'b']);
  });
});
