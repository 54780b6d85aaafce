import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { EndpointFinder } from '../../../../src/ingress/backends/endpoints.ts';
import { defaultPolicy } from '../../../../src/ingress/claims/policy.ts';
import { HeaderQuota } from '../../../../src/ingress/http/header-quota.ts';
import { RequestPreparer } from '../../../../src/ingress/http/request-preparer.ts';
import type { SiteDemand, SiteRequest } from '../../../../src/ingress/intent/site-request.ts';
import { Inventory } from '../../../../src/ingress/objects/inventory.ts';
import { GatewayToys } from './gateway-toys.ts';

/** A request of a route that removes these headers. */
function makeRequest(name: string, namespace: string, headers: readonly string[]): SiteRequest {
  return makeRequests(name, namespace, { headers })[0];
}

/** Requests for two hosts of a route that removes headers and has paths with regular expressions. */
function makeRequests(
  name: string,
  namespace: string,
  { headers = [], patterns = [] }: { readonly headers?: readonly string[]; readonly patterns?: readonly string[] },
): readonly [SiteRequest, SiteRequest] {
  const toys = new GatewayToys();
  const filters = { requestEdits: { set: [], add: [], remove: headers } };
  const rules = [
    { path: { type: 'element', value: '' }, services: ['web'], filters } as const,
    ...patterns.map((value) => ({ path: { type: 'regex', value } as const, services: ['web'] })),
  ];
  toys.put({ name, namespace, hosts: { 'g/l': ['a.test', 'b.test'] }, rules });
  const [one, other] = toys.translate(`${namespace}/${name}`);
  assert.ok(one !== undefined && other !== undefined);
  return [one, other];
}

function makePreparer(): RequestPreparer {
  return new RequestPreparer({
    policy: defaultPolicy,
    defaults: { balance: 'random', tcpBalance: 'source', checkInterval: 5000 },
    finder: new EndpointFinder(new Inventory(), 'node'),
  });
}

function demandOf({ demand }: SiteRequest): SiteDemand {
  assert.ok(demand.ok);
  return demand.value;
}

const many = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `X-${from + index}`);

describe('HeaderQuota', () => {
  it('counts each name of a namespace once, and frees it with its last route', () => {
    const quota = new HeaderQuota();
    const claim = (request: SiteRequest) => quota.claim(request.owner, demandOf(request));
    const first = makeRequest('first', 'shop', many(0, 100));
    const same = makeRequest('same', 'shop', ['x-0', 'X-99']);
    const more = makeRequest('more', 'shop', ['x-100']);
    assert.deepEqual([claim(first), claim(first), claim(same)], [undefined, undefined, undefined]);
    assert.match(claim(more) ?? '', /^the filters of the namespace change more than 100 different headers/);
    assert.equal(claim(makeRequest('more', 'bank', ['x-100'])), undefined);
    quota.release(demandOf(first));
    assert.deepEqual(
      [claim(more), claim(makeRequest('rest', 'shop', many(0, 99)))?.slice(0, 11)],
      [undefined, 'the filters'],
    );
    assert.equal(claim(makeRequest('rest', 'shop', many(0, 98))), undefined);
  });

  it('rejects a request', () => {
    const preparer = makePreparer();
    const request = makeRequest('a', 'shop', many(0, 101));
    preparer.prepare(request, false, undefined);
    assert.equal(preparer.get(request)?.refusal?.reason, 'UnsupportedValue');
  });

  const paths = (from: number, to: number) => many(from, to).map((name) => `/${name}[0-9]`);
  for (const [what, all, more] of [
    ['headers', { headers: many(0, 100) }, { headers: ['x-100'] }],
    ['regular expressions', { patterns: paths(0, 100) }, { patterns: paths(100, 101) }],
  ] as const) {
    it(`keeps the ${what} of a route claimed while one of its requests is served`, () => {
      const preparer = makePreparer();
      const [one, other] = makeRequests('first', 'shop', all);
      const [later] = makeRequests('later', 'shop', more);
      const prepare = (request: SiteRequest) => {
        preparer.prepare(request, false, undefined);
        return preparer.get(request)?.refusal?.reason;
      };
      assert.deepEqual([one, other, later].map(prepare), [undefined, undefined, 'UnsupportedValue']);
      preparer.forget(one);
      assert.equal(prepare(later), 'UnsupportedValue');
      preparer.forget(other);
      assert.equal(prepare(later), undefined);
    });
  }

  it('lets a rejected route claim nothing', () => {
    const preparer = makePreparer();
    const [wide] = makeRequests('wide', 'shop', { headers: many(0, 101), patterns: paths(0, 100) });
    const [small] = makeRequests('small', 'shop', { patterns: paths(0, 1) });
    for (const request of [wide, small]) preparer.prepare(request, false, undefined);
    assert.deepEqual(
      [wide, small].map((request) => preparer.get(request)?.refusal?.reason),
      ['UnsupportedValue', undefined],
    );
  });
});
