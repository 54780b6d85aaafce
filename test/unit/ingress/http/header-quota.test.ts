import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { EndpointFinder } from '../../../../src/ingress/backends/endpoints.ts';
import { defaultPolicy } from '../../../../src/ingress/claims/policy.ts';
import { HeaderQuota } from '../../../../src/ingress/http/header-quota.ts';
import { RequestPreparer } from '../../../../src/ingress/http/request-preparer.ts';
import type { SiteDemand, SiteRequest } from '../../../../src/ingress/intent/site-request.ts';
import { Inventory } from '../../../../src/ingress/objects/inventory.ts';
import { GatewayToys } from './gateway-toys.ts';

/** Requests of a route that removes these headers. */
function makeRequest(name: string, namespace: string, headers: readonly string[]): SiteRequest {
  const toys = new GatewayToys();
  const filters = { requestEdits: { set: [], add: [], remove: headers } };
  const rules = [{ path: { type: 'element', value: '' }, services: ['web'], filters }] as const;
  toys.put({ name, namespace, hosts: { 'g/l': ['a.test'] }, rules });
  const [request] = toys.translate(`${namespace}/${name}`);
  assert.ok(request !== undefined);
  return request;
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
    const preparer = new RequestPreparer({
      policy: defaultPolicy,
      defaults: { balance: 'random', tcpBalance: 'source', checkInterval: 5000 },
      finder: new EndpointFinder(new Inventory(), 'node'),
    });
    const request = makeRequest('a', 'shop', many(0, 101));
    preparer.prepare(request, false, undefined);
    assert.equal(preparer.get(request)?.refusal?.reason, 'UnsupportedValue');
  });
});
