import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { clusterNames } from '../../../../src/base/kubernetes/names.ts';
import { defaultPolicy } from '../../../../src/ingress/claims/policy.ts';
import { GatewaySites } from '../../../../src/ingress/gateway/gateway-sites.ts';
import { describeHostClaims } from '../../../../src/ingress/http/describe-claims.ts';
import { SitePlanner } from '../../../../src/ingress/http/desired.ts';
import { traceRequest } from '../../../../src/ingress/http/trace.ts';
import type { TracedRequest } from '../../../../src/ingress/http/traced-request.ts';
import { Inventory } from '../../../../src/ingress/objects/inventory.ts';
import { readObject } from '../../../../src/ingress/objects/kinds.ts';
import { noAssignments } from '../../../../src/ingress/pools/assign.ts';
import { service } from '../../../netns/ingress/http/objects.ts';
import { noReferences } from '../no-references.ts';

function write(kind: string, name: string, spec: object): object {
  const metadata = { namespace: 'shop', name, uid: `${kind}-${name}` };
  return { apiVersion: 'gateway.networking.k8s.io/v1', kind, metadata, spec };
}

const ports = { http: 80, https: 443 };

/** Plans a Gateway with two listeners and a route with conditions. */
function plan() {
  const inventory = new Inventory();
  const backendRefs = [{ name: 'web', port: 80 }];
  const objects = [
    ...service('web', [8001]),
    write('GatewayClass', 'ours', { controllerName: clusterNames.gatewayController }),
    write('Gateway', 'gw', {
      gatewayClassName: 'ours',
      listeners: [
        { name: 'http', port: 80, protocol: 'HTTP' },
        { name: 'own', port: 80, protocol: 'HTTP', hostname: 'own.test' },
      ],
    }),
    write('HTTPRoute', 'web', {
      parentRefs: [{ name: 'gw', sectionName: 'http' }],
      rules: [
        { backendRefs },
        {
          matches: [
            { path: { value: '/a' }, method: 'POST', headers: [{ name: 'Version', value: 'two' }] },
            { path: { value: '/a' }, queryParams: [{ name: 'q', type: 'RegularExpression', value: '[0-9]+' }] },
          ],
          backendRefs: [{ name: 'none', port: 80 }],
        },
        {
          matches: [{ path: { type: 'Exact', value: '/old' } }],
          filters: [{ type: 'RequestRedirect', requestRedirect: { hostname: 'new.test', statusCode: 301 } }],
        },
      ],
    }),
  ];
  for (const object of objects) {
    const reading = readObject(object);
    assert.ok(reading.outcome === 'object');
    inventory.put(reading.object);
  }
  const sites = new GatewaySites(inventory, {
    className: undefined,
    ownPorts: { http: 80, https: 443 },
    sitePorts: () => new Map(),
    addresses: () => ({ addresses: [], assignments: noAssignments }),
    references: noReferences,
  });
  const planner = new SitePlanner(
    inventory,
    sites.sources,
    {
      policy: defaultPolicy,
      hosts: { allowsWildcards: false, sharesHosts: false },
      defaults: { balance: 'random', tcpBalance: 'source', checkInterval: 5000 },
      node: 'node',
      hasHttp2: true,
      readsSecrets: true,
      gateways: {
        own: ports,
        ports: { http: { from: 61_000, to: 61_003 }, tls: { from: 61_004, to: 61_007 } },
        inner: 2,
      },
    },
    () => ({ state: 'missing' }),
  );
  const desired = planner.compute(inventory.openJournal().take(), new Set());
  const trace = (request: Partial<TracedRequest>) =>
    traceRequest(desired, { host: 'a.test', path: '/', tls: false, ...request }, ports, planner.finder);
  return { desired, trace };
}

describe('The trace of a request at a listener of a Gateway', () => {
  it('names listener, route, rule and match, and explains why others do not apply', () => {
    const { trace } = plan();
    const plain = trace({ path: '/a/b?x=y' });
    assert.deepEqual(plain.listener, { gateway: 'shop/gw', name: 'http', port: 80, addresses: [] });
    assert.deepEqual(
      [plain.outcome, plain.route?.kind, plain.route?.rule, plain.route?.match],
      ['served', 'HTTPRoute', 0, 'prefix /'],
    );
    assert.deepEqual(
      plain.others.map(({ rule, why }) => `${rule}: ${why}`),
      ['2: its path exact /old does not match', '1: it needs the method POST', '1: it needs the parameter q: ~[0-9]+'],
    );
    const posted = trace({ path: '/a', method: 'POST', headers: [['version', 'two']] });
    assert.deepEqual(
      [posted.outcome, posted.route?.rule, posted.explanation],
      ['error', 1, 'the rule has no valid backend: 500'],
    );
    assert.equal(posted.route?.match, 'prefix /a, POST, header Version=two');
    assert.equal(trace({ path: '/a', method: 'POST', headers: [['version', 'one']] }).route?.rule, 0);
    assert.equal(trace({ path: '/a', params: [['q', '12']] }).route?.match, 'prefix /a, parameter q~[0-9]+');
  });

  it('shows redirects, listeners without a route, and ports without a listener', () => {
    const { trace } = plan();
    const old = trace({ path: '/old' });
    assert.deepEqual([old.outcome, old.explanation, old.endpoints], ['redirect', '301 to new.test', []]);
    const own = trace({ host: 'own.test:80' });
    assert.deepEqual([own.outcome, own.listener?.name, own.route], ['error', 'own', undefined]);
    assert.match(own.explanation, /404$/);
    const other = trace({ port: 8080 });
    assert.deepEqual([other.outcome, other.listener], ['error', undefined]);
  });

  it('has its claims in the list', () => {
    const { desired } = plan();
    const claims = describeHostClaims(desired, new Map());
    assert.deepEqual(
      claims.map(({ kind, name, listener, host, path, admitted }) => [kind, name, listener, host, path, admitted]),
      [
        ['HTTPRoute', 'web', 'http', '*', '', true],
        ['HTTPRoute', 'web', 'http', '*', '/a', true],
        ['HTTPRoute', 'web', 'http', '*', '/a', true],
        ['HTTPRoute', 'web', 'http', '*', '/old', true],
      ],
    );
  });
});
