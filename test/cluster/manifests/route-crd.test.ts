import assert from 'node:assert/strict';
import { parseRoute } from '../../../src/ingress/route/route.ts';
import { readRouteSchema, refuseRoute } from './admission.ts';
import { readExamples } from './rendered.ts';
import { estimateRules, granted } from './rule-cost.ts';

function routeWith(spec: object): object {
  const metadata = { name: 'web', namespace: 'shop', uid: 'u-1', creationTimestamp: '2026-01-01T00:00:00Z' };
  return {
    apiVersion: 'route.openshift.io/v1',
    kind: 'Route',
    metadata,
    spec: { host: 'web.test', to: { name: 'web' }, ...spec },
  };
}

const edge = { termination: 'edge' };
const passthrough = { termination: 'passthrough' };
const header = { name: 'X-Frame-Options', action: { type: 'Set', set: { value: 'DENY' } } };

/** Specs that OpenShift's API server takes. */
const good: readonly object[] = [
  {},
  { host: undefined },
  { host: '', subdomain: 'web' },
  { to: { kind: 'Service', name: 'web', weight: 0 } },
  { path: '' },
  { path: '/cart', tls: edge },
  { port: { targetPort: 8080 } },
  { port: { targetPort: 'http' } },
  { tls: { ...edge, insecureEdgeTerminationPolicy: '' } },
  { tls: { ...passthrough, insecureEdgeTerminationPolicy: 'Redirect' } },
  { tls: { termination: 'reencrypt', destinationCACertificate: 'PEM' } },
  { tls: { ...edge, externalCertificate: { name: 'certificate' } } },
  { wildcardPolicy: 'Subdomain' },
  { alternateBackends: [1, 2, 3].map((number) => ({ kind: 'Service', name: `web-${number}`, weight: 256 })) },
  { httpHeaders: { actions: { response: [header, { name: 'Server', action: { type: 'Delete' } }] } } },
];

/** Specs that it refuses, and a word of the reason. */
const bad: readonly (readonly [RegExp, object])[] = [
  [/\/spec\/host/, { host: 'web_test' }],
  [/\/spec\/host/, { host: `${'a'.repeat(64)}.test` }],
  [/\/spec\/to/, { to: {} }],
  [/\/spec\/to\/kind/, { to: { kind: 'Pod', name: 'web' } }],
  [/\/spec\/to\/weight/, { to: { name: 'web', weight: 257 } }],
  [/\/spec\/path/, { path: 'cart' }],
  [/\/spec\/path/, { path: '/cart#1' }],
  [/path must be absent/, { path: '/cart', tls: passthrough }],
  [/httpHeaders must be absent/, { httpHeaders: {}, tls: passthrough }],
  [/\/spec\/tls\/termination/, { tls: { termination: 'Edge' } }],
  [/Policy must be None or Redirect/, { tls: { ...passthrough, insecureEdgeTerminationPolicy: 'Allow' } }],
  [/destinationCACertificate must/, { tls: { ...edge, destinationCACertificate: 'PEM' } }],
  [/externalCertificate/, { tls: { ...edge, certificate: 'PEM', externalCertificate: { name: 'certificate' } } }],
  [/host must be set/, { host: '', wildcardPolicy: 'Subdomain' }],
  [/alternateBackends/, { alternateBackends: [1, 2, 3, 4].map((number) => ({ name: `web-${number}` })) }],
  [/set is required for Set/, { httpHeaders: { actions: { request: [{ name: 'X', action: { type: 'Set' } }] } } }],
  [/\/name/, { httpHeaders: { actions: { request: [{ ...header, name: 'X Y' }] } } }],
];

describe('the CustomResourceDefinition of Route', () => {
  it('accepts what OpenShift accepts', () => {
    for (const spec of good) {
      const object = JSON.parse(JSON.stringify(routeWith(spec)));
      assert.deepEqual(refuseRoute(object), [], JSON.stringify(spec));
      const { problems, value } = parseRoute(object) as { problems?: unknown; value?: unknown };
      assert.ok(value !== undefined, `${JSON.stringify(spec)}: ${JSON.stringify(problems)}`);
    }
  });

  for (const [reason, spec] of bad) {
    it(`rejects ${JSON.stringify(spec).slice(0, 100)}`, () => {
      assert.match(refuseRoute(routeWith(spec)).join('; '), reason);
    });
  }

  it('preserves the wildcard policy of an existing Route', () => {
    const route = routeWith({ wildcardPolicy: 'None' });
    assert.deepEqual(refuseRoute(route, route), []);
    assert.match(refuseRoute(routeWith({ wildcardPolicy: 'Subdomain' }), route).join(), /cannot be changed/);
  });

  it('accepts every Route of the examples', () => {
    const routes = [...readExamples().values()].flat().filter(({ kind }) => kind === 'Route');
    assert.ok(routes.length > 3, `${routes.length}`);
    for (const one of routes) assert.deepEqual(refuseRoute(one), [], one.metadata.name);
  });

  it("stays below the cost limit of the API server, by the server's own estimate", () => {
    const rules = estimateRules(readRouteSchema(), 4);
    assert.ok(rules.length > 5);
    for (const { path, rule, total } of rules) assert.ok(total < granted.rule, `${path}: ${rule} costs ${total}`);
    assert.ok(rules.reduce((sum, { total }) => sum + total, 0) < granted.definition);
  });
});
