import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'mocha';
import { TestAuthority } from '../../../lab/certificates.ts';
import { HttpNode } from '../../../lab/http-node.ts';
import { runIn } from '../../../lab/namespaces.ts';
import { until } from '../../../until.ts';
import { type Case, checkTraces, describeAnswer, fetchTrace, runCases } from '../k8s-ingress/cases.ts';
import { ingress, ingressClass } from '../k8s-ingress/objects.ts';
import { gateway, gatewayClass, hostRoute, listener, tlsOf } from './gateway-objects.ts';
import { route, service } from './objects.ts';

const authority = new TestAuthority('erpr authority');
const wild = authority.issue({
  name: 'gateway.test',
  hosts: ['*.mixed.test', 'edge.test', 'tls.test', 'own.mixed.test'],
});

const secret = {
  apiVersion: 'v1',
  kind: 'Secret',
  type: 'kubernetes.io/tls',
  metadata: { namespace: 'infra', name: 'wild' },
  stringData: { 'tls.crt': wild.certificate, 'tls.key': wild.key },
};

const wildcard = { wildcardPolicy: 'Subdomain' };
const edge = { tls: { termination: 'edge', insecureEdgeTerminationPolicy: 'Allow' } };

/** Services are named after the object that sends requests to them. */
const everywhere = ingress('everywhere', { '*': { '/': 'ingress' } });
const objects: readonly object[] = [
  ingressClass(),
  secret,
  ...service('route', [8001]),
  ...service('gateway', [8002]),
  ...service('ingress', [8003]),
  ...service('gateway', [8002], { namespace: 'bank' }),
  ...service('route', [8001], { namespace: 'bank' }),
  gateway('gw', [
    listener('http', 'HTTP', 80),
    listener('https', 'HTTPS', 443, { ...tlsOf('wild'), hostname: '*.mixed.test' }),
    listener('edge', 'HTTPS', 443, { ...tlsOf('wild'), hostname: 'edge.test' }),
    listener('tls', 'HTTPS', 443, { ...tlsOf('wild'), hostname: 'tls.test' }),
  ]),
  gateway('far', [listener('far', 'HTTP', 8080)]),
  // Most specific host first.
  hostRoute('HTTPRoute', 'plain', ['plain.test'], 'gateway', { age: 9 }),
  hostRoute('HTTPRoute', 'path', ['path.test'], 'gateway', {
    rules: [{ matches: [{ path: { value: '/a' } }], backendRefs: [{ name: 'gateway', port: 80 }] }],
  }),
  hostRoute('HTTPRoute', 'deep', ['*.deep.test'], 'gateway', { namespace: 'bank' }),
  route('wild', 'any.wild.up.test', { service: 'route', spec: wildcard }),
  hostRoute('HTTPRoute', 'below', ['below.wild.up.test'], 'gateway', { age: 5 }),
  hostRoute('HTTPRoute', 'above', ['*.up.test'], 'gateway', { age: 6 }),
  ingress('below', { '*.mid.deep.test': { '/': 'ingress' } }),
  // One owner of a host, of a wildcard and of all names.
  route('both', 'both.test', { service: 'route', age: 1, spec: { path: '/route' } }),
  hostRoute('HTTPRoute', 'both', ['both.test'], 'gateway', {
    age: 2,
    rules: [{ matches: [{ path: { value: '/gateway' } }], backendRefs: [{ name: 'gateway', port: 80 }] }],
  }),
  hostRoute('HTTPRoute', 'first', ['first.test'], 'gateway', { age: 1 }),
  ingress('first', { 'first.test': { '/ingress': 'ingress' } }, { age: 2 }),
  route('equal', 'any.equal.test', { service: 'route', age: 1, spec: wildcard }),
  hostRoute('HTTPRoute', 'equal', ['*.equal.test'], 'gateway', { age: 2, namespace: 'bank' }),
  hostRoute('HTTPRoute', 'all', [], 'gateway', {
    age: 7,
    namespace: 'bank',
    parents: [{ namespace: 'infra', name: 'gw', sectionName: 'http' }],
  }),
  // Paths that the owner of a host does not serve.
  route('part', 'part.up.test', { service: 'route', spec: { path: '/part' } }),
  route('parts', 'any.parts.up.test', { service: 'route', spec: { ...wildcard, path: '/part' } }),
  // Elsewhere, a host of Routes is free.
  hostRoute('HTTPRoute', 'far', ['both.test'], 'gateway', {
    parents: [{ namespace: 'infra', name: 'far' }],
  }),
  // Certificates.
  route('edge', 'edge.test', { service: 'route', spec: edge }),
  route('mixed', 'route.mixed.test', { service: 'route', namespace: 'bank', spec: edge }),
  ingress('mixed', { 'ingress.mixed.test': { '/': 'ingress' } }),
  hostRoute('HTTPRoute', 'mixed', ['own.mixed.test', 'tls.test'], 'gateway'),
  everywhere,
];

const cases: readonly Case[] = [
  ['a host of an HTTPRoute before a site for every host', 'http', 'plain.test', '/', '200 gateway /'],
  ['404 for other paths of an HTTPRoute', 'http', 'path.test', '/b', '404'],
  ['a wildcard of an HTTPRoute before a site for every host', 'http', 'a.b.deep.test', '/', '200 gateway /'],
  ['a longer wildcard of an Ingress', 'http', 'a.mid.deep.test', '/', '200 ingress /'],
  ['every other host', 'http', 'unknown.example', '/', '200 ingress /'],
  ['every other host over TLS', 'https', 'unknown.example', '/', '200 ingress /'],
  ['a host of an HTTPRoute before the wildcard of a Route', 'http', 'below.wild.up.test', '/', '200 gateway /'],
  ['a host of an HTTPRoute with port and dot', 'http', 'below.wild.up.test.:80', '/', '200 gateway /'],
  ['the wildcard of a Route before a shorter one of an HTTPRoute', 'http', 'x.wild.up.test', '/', '200 route /'],
  ['a wildcard of an HTTPRoute that has more labels', 'http', 'x.y.wild.up.test', '/', '200 gateway /'],
  ['the older Route of a host', 'http', 'both.test', '/route', '200 route /route'],
  ['no younger HTTPRoute of a host', 'http', 'both.test', '/gateway', '503'],
  ['the older HTTPRoute of a host', 'http', 'first.test', '/ingress', '200 gateway /ingress'],
  ['the older Route of a wildcard', 'http', 'x.equal.test', '/', '200 route /'],
  ['no wildcard of an HTTPRoute for other paths of a Route', 'http', 'part.up.test', '/', '503'],
  ['no wildcard of an HTTPRoute for other paths of a wildcard', 'http', 'x.parts.up.test', '/', '503'],
  [
    'a host of Routes on another port',
    'http',
    'both.test',
    '/gateway',
    '200 gateway /gateway',
    { address: '10.97.0.1', port: 8080 },
  ],
  ['an HTTPRoute over TLS', 'https', 'own.mixed.test', '/', '200 gateway /'],
  ['a Route below the hostname of a listener', 'https', 'route.mixed.test', '/', '200 route /'],
  ['an Ingress below the hostname of a listener', 'https', 'ingress.mixed.test', '/', '200 ingress /'],
  ['a Route with the hostname of a listener', 'https', 'edge.test', '/', '200 route /'],
];

interface Written {
  readonly kind: string;
  readonly name: string;
  readonly status: { readonly parents?: readonly { readonly conditions: readonly Condition[] }[] };
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

describe('Routes, Ingresses and HTTPRoutes at the same ports', () => {
  const node = new HttpNode('erpr', {
    ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms',
    ROUTER_MAX_SHUTDOWN_TIMEOUT: '1s',
    ROUTER_ALLOW_WILDCARD_ROUTES: 'true',
  });
  const options = ['--cleanup-on-exit', '--gateway-class', gatewayClass, '--listener-ports=61000-61007'];

  before(async function () {
    this.timeout(60_000);
    await node.up();
    await node.serve({ name: 'route', port: 8001 });
    await node.serve({ name: 'gateway', port: 8002 });
    await node.serve({ name: 'ingress', port: 8003 });
    node.write('objects', ...objects);
    await node.start(...options);
    await waitFor('plain.test', '200 gateway /');
  });
  after(async () => {
    await node.end('SIGTERM');
    node.down();
  });

  async function waitFor(host: string, want: string): Promise<void> {
    let last = '';
    const isSo = async () => {
      last = describeAnswer(await node.ask('http', host, '/'));
      return last === want;
    };
    await until(isSo, () => [last, node.log.slice(-2000)], 20_000);
  }

  runCases(node, cases);

  it('never answers a name of a Route with a certificate of a Gateway', async () => {
    const subjects = await Promise.all(
      [
        'own.mixed.test',
        'other.mixed.test',
        'tls.test',
        'route.mixed.test',
        'ingress.mixed.test',
        'edge.test',
        'unknown.example',
      ].map(async (name) => (await node.ask('https', name, '/')).subject ?? ''),
    );
    const isOwn = subjects.map((subject) => subject === 'gateway.test');
    assert.deepEqual(isOwn, [true, true, true, false, false, false, false], subjects.join());
  });

  it('is explained correctly: erctl trace predicts the result of every request, and names only objects of its host', async () => {
    await checkTraces(
      node,
      cases.filter(([, , , , , words]) => words === undefined),
    );
    const others = async (host: string) =>
      (await fetchTrace(node, 'http', host, '/')).others.map(({ name, why }) => [name, why]);
    assert.match((await others('both.test')).join(), /both,host both\.test belongs to the older Route both/);
    assert.doesNotMatch((await others('notboth.test')).join(), /both/);
    assert.doesNotMatch((await others('x.both.test')).join(), /both/);
  });

  const verdicts: readonly (readonly [name: string, verdict: RegExp])[] = [
    ['both', /^False HostAlreadyClaimed host both\.test belongs to the older Route both/],
    ['equal', /^False HostAlreadyClaimed the names below equal\.test belong to an older Route of another namespace/],
    ['all', /^False HostAlreadyClaimed /],
    ['first', /^True /],
    ['mixed', /^True /],
    ['far', /^True /],
  ];
  for (const [name, want] of verdicts) {
    it(`reports on the HTTPRoute ${name}`, async () => {
      await until(
        () => want.test(acceptedOf(name)),
        () => acceptedOf(name),
        20_000,
      );
    });
  }

  function acceptedOf(name: string): string {
    try {
      const { gateways } = JSON.parse(readFileSync(`${node.manifests}.status.json`, 'utf8'));
      const found = (gateways as readonly Written[]).find((one) => one.kind === 'HTTPRoute' && one.name === name);
      const condition = found?.status.parents?.[0]?.conditions.find(({ type }) => type === 'Accepted');
      return condition === undefined ? '' : `${condition.status} ${condition.reason} ${condition.message}`;
    } catch {
      return '';
    }
  }

  it('gives hosts to the next object when the owner goes', async () => {
    const gone = new Set(['both', 'equal', 'everywhere', 'edge']);
    const left = objects.filter((one) => {
      const { kind, metadata } = one as { kind: string; metadata: { name: string } };
      return kind === 'HTTPRoute' || !gone.has(metadata.name);
    });
    node.write('objects', ...left);
    await waitFor('unknown.example', '200 gateway /');
    await waitFor('x.equal.test', '200 gateway /');
    assert.equal(describeAnswer(await node.ask('http', 'both.test', '/gateway')), '200 gateway /gateway');
    node.write('objects', ...objects);
    await waitFor('unknown.example', '200 ingress /');
    await waitFor('x.equal.test', '200 route /');
    assert.equal(await node.negotiate('own.mixed.test'), 'h2');
    await node.end('SIGKILL');
    await node.start(...options, '--disable-http2');
    assert.equal(await node.negotiate('own.mixed.test'), 'http/1.1');
    // A listener's port is open once the kernel has its rules, after the agent is ready.
    for (const [name, scheme, host, path, want, words] of cases) {
      let last = '';
      const isSo = async () => {
        last = describeAnswer(await node.ask(scheme, host, path, words));
        return last === want;
      };
      await until(isSo, () => [name, last, node.log.slice(-2000)], 20_000);
    }
  });

  it('leaves no table behind', async () => {
    const list = () => runIn('erpr', 'nft', ['list', 'tables']);
    assert.match(await list(), /ingress-agent-\S+-listeners/);
    await node.end('SIGTERM');
    assert.equal(await list(), '');
  });
});
