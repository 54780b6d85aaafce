import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'mocha';
import { TestAuthority } from '../../../lab/certificates.ts';
import { HttpNode } from '../../../lab/http-node.ts';
import { until } from '../../../until.ts';
import { route, service } from '../http/objects.ts';
import { type Case, checkTraces, runCases } from './cases.ts';
import { ingress, ingressClass } from './objects.ts';

const authority = new TestAuthority('erki authority');
const own = authority.issue({ name: 'tls.test', hosts: ['tls.test', 'also.test'] });

const portOfName = { service: { name: 'web', port: { name: 'web' } } };
const resource = { resource: { apiGroup: 'k8s.example.com', kind: 'StorageBucket', name: 'static' } };

const objects: readonly object[] = [
  ingressClass(),
  { ...ingressClass('others'), spec: { controller: 'k8s.io/ingress-nginx' } },
  ...service('web', [8001]),
  ...service('other', [8002]),
  ...service('third', [8003]),
  ...service('web', [8002], { namespace: 'bank' }),
  ingress('paths', {
    'paths.test': { '/': 'web', '/foo/': 'other', '=/foo': 'third', '=/exact/': 'third', '/foo/bar': 'third' },
    'specific.test': { '~/api': 'other', '/': 'web' },
    'named.test': { '/': portOfName },
    'bucket.test': { '/': 'web', '/static': resource },
  }),
  ingress('wild', { '*.wild.test': { '/': 'web' }, 'own.wild.test': { '/x': 'other' } }),
  ingress('all', { '*': { '/everywhere': 'other' } }, { defaultBackend: 'third' }),
  ingress('rest', { 'rest.test': { '/a': 'web' } }, { age: 1, defaultBackend: 'other' }),
  ingress('part', { 'shared.test': { '/': 'web', '/old': 'web' } }),
  ingress('more', { 'shared.test': { '/more': 'other', '/old': 'other' } }, { age: 5 }),
  ingress('stranger', { 'shared.test': { '/bank': 'web' } }, { age: 6, namespace: 'bank' }),
  ingress(
    'old',
    { 'old.test': { '/': 'web' } },
    {
      className: null,
      annotations: { 'kubernetes.io/ingress.class': 'egress-router' },
    },
  ),
  ingress('foreign', { 'foreign.test': { '/': 'web' } }, { className: 'others' }),
  ingress(
    'both',
    { 'both.test': { '/': 'web' } },
    {
      annotations: { 'kubernetes.io/ingress.class': 'others' },
    },
  ),
  ingress('classless', { 'classless.test': { '/': 'web' } }, { className: null }),
  ingress(
    'tls',
    { 'tls.test': { '/': 'web' }, 'also.test': { '/': 'web' }, 'plain.test': { '/': 'web' } },
    {
      tls: [{ hosts: ['tls.test', 'also.test'], secretName: 'pair' }],
    },
  ),
  ingress('lost', { 'lost.test': { '/': 'web' } }, { tls: [{ hosts: ['lost.test'], secretName: 'gone' }] }),
  ingress('made', { 'made.test': { '/': 'web' } }),
  {
    ...route('made-x7k', 'made.test', { service: 'other' }),
    metadata: {
      ...(route('made-x7k', 'made.test') as { metadata: object }).metadata,
      ownerReferences: [
        { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'made', uid: 'x', controller: true },
      ],
    },
  },
  {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/tls',
    metadata: { namespace: 'shop', name: 'pair' },
    stringData: { 'tls.crt': own.certificate, 'tls.key': own.key },
  },
];

const cases: readonly Case[] = [
  ['a prefix of everything', 'http', 'paths.test', '/', '200 one /'],
  ['an exact path before an equal prefix', 'http', 'paths.test', '/foo', '200 three /foo'],
  ['a prefix with a final slash', 'http', 'paths.test', '/foo/', '200 two /foo/'],
  ['below a prefix', 'http', 'paths.test', '/foo/x', '200 two /foo/x'],
  ['the longest prefix', 'http', 'paths.test', '/foo/bar/x', '200 three /foo/bar/x'],
  ['prefixes by element', 'http', 'paths.test', '/foobar', '200 one /foobar'],
  ['an exact path with a final slash', 'http', 'paths.test', '/exact/', '200 three /exact/'],
  ['no exact path without the final slash', 'http', 'paths.test', '/exact', '200 one /exact'],
  ['an implementation-specific path as a prefix', 'http', 'specific.test', '/api/x', '200 two /api/x'],
  ['an implementation-specific path by element', 'http', 'specific.test', '/apix', '200 one /apix'],
  ['a port by name', 'http', 'named.test', '/', '200 one /'],
  ['503 for a resource backend', 'http', 'bucket.test', '/static/x', '503'],
  ['other paths of an Ingress with a resource backend', 'http', 'bucket.test', '/x', '200 one /x'],
  ['a wildcard', 'http', 'a.wild.test', '/', '200 one /'],
  ['a wildcard of one label only', 'http', 'a.b.wild.test', '/', '200 three /'],
  ['a host before its wildcard', 'http', 'own.wild.test', '/x', '200 two /x'],
  ['a rule for every host', 'http', 'unknown.test', '/everywhere', '200 two /everywhere'],
  ['every host without dots', 'http', 'localname', '/everywhere', '200 two /everywhere'],
  ['the default backend for every other host', 'http', 'unknown.test', '/', '200 three /'],
  ['no rule for every host where a host is named', 'http', 'own.wild.test', '/everywhere', '200 one /everywhere'],
  ['the default backend for other paths of its hosts', 'http', 'rest.test', '/b', '200 two /b'],
  ['two Ingresses of a host', 'http', 'shared.test', '/more', '200 two /more'],
  ['the older Ingress of a path', 'http', 'shared.test', '/old', '200 one /old'],
  ['no other namespace on the host', 'http', 'shared.test', '/bank', '200 one /bank'],
  ['the class of the old annotation', 'http', 'old.test', '/', '200 one /'],
  ['no other class', 'http', 'foreign.test', '/', '200 three /'],
  ['the old annotation before the field', 'http', 'both.test', '/', '200 three /'],
  ['no Ingress without a class', 'http', 'classless.test', '/', '200 three /'],
  ['a redirect of a host with TLS', 'http', 'tls.test', '/a?b=c', '308 https://tls.test/a?b=c'],
  ['TLS', 'https', 'tls.test', '/a', '200 one /a'],
  ['TLS of a second host of the Secret', 'https', 'also.test', '/', '200 one /'],
  ['no redirect of a host without TLS', 'http', 'plain.test', '/', '200 one /'],
  ['TLS with the default certificate', 'https', 'plain.test', '/', '200 one /'],
  ['a host whose Secret is missing', 'https', 'lost.test', '/', '200 one /'],
  ['the Route that OpenShift made of an Ingress', 'http', 'made.test', '/', '200 two /'],
];

describe('Ingresses in the compiled agent', () => {
  const node = new HttpNode('erki', { ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms', ROUTER_MAX_SHUTDOWN_TIMEOUT: '1s' });

  before(async function () {
    this.timeout(60_000);
    await node.up();
    await node.serve({ name: 'one', port: 8001 });
    await node.serve({ name: 'two', port: 8002 });
    await node.serve({ name: 'three', port: 8003 });
    node.write('objects', ...objects);
    await node.start('--cleanup-on-exit', '--gateway-addresses', '192.0.2.7,2001:db8::7');
  });
  after(async () => {
    await node.end('SIGTERM');
    node.down();
  });

  runCases(node, cases);

  it('is explained correctly: erctl trace predicts the result of every request', async () => {
    await checkTraces(node, cases);
  });

  it('serves each host with its certificate', async () => {
    assert.equal((await node.ask('https', 'tls.test', '/')).subject, 'tls.test');
    assert.equal((await node.ask('https', 'also.test', '/')).subject, 'tls.test');
    assert.match((await node.ask('https', 'plain.test', '/')).subject ?? '', /default certificate/);
    assert.match((await node.ask('https', 'lost.test', '/')).subject ?? '', /default certificate/);
  });

  const statuses: readonly (readonly [name: string, admitted: boolean, message?: RegExp, namespace?: string])[] = [
    ['paths', true, /backend\.resource "StorageBucket static": only a Service can be a backend/],
    ['more', true, /host shared\.test and path \/old belong to the older Ingress part/],
    ['stranger', false, /host shared\.test belongs to an older Ingress of another namespace/, 'bank'],
    ['lost', true, /spec\.tls\[0\]\.secretName "gone": this Secret does not exist .* the default certificate is used/],
  ];
  for (const [name, admitted, message, namespace = 'shop'] of statuses) {
    it(`reports ${name} as ${admitted ? 'served' : 'rejected'}`, async () => {
      const find = () => readIngresses(node).find((one) => one.name === name && one.namespace === namespace);
      await until(
        () => find()?.admitted !== undefined,
        () => readFileSync(`${node.manifests}.status.json`, 'utf8'),
        20_000,
      );
      const found = find() as IngressEntry;
      assert.equal(found.admitted, admitted, JSON.stringify(found));
      if (message !== undefined) assert.match(found.message ?? '', message);
      const addresses = admitted ? [{ ip: '192.0.2.7' }, { ip: '2001:db8::7' }] : [];
      assert.deepEqual(found.status.loadBalancer.ingress, addresses);
    });
  }

  it('reports no Ingress of another class, and none that is served as a Route', () => {
    const names = readIngresses(node).map(({ name }) => name);
    for (const name of ['foreign', 'both', 'classless', 'made']) assert.ok(!names.includes(name), name);
  });

  it('serves Ingresses without a class as soon as its class is the default', async function () {
    this.timeout(30_000);
    node.write('default', ingressClass('egress-router', true));
    node.write('objects', ...objects.filter((one) => one !== objects[0]));
    await until(
      async () => (await node.ask('http', 'classless.test', '/')).echo?.server === 'one',
      () => node.log.slice(-2000),
      20_000,
    );
  });
});

interface IngressEntry {
  readonly namespace: string;
  readonly name: string;
  readonly admitted: boolean;
  readonly message?: string;
  readonly status: { readonly loadBalancer: { readonly ingress: readonly object[] } };
}

/** Returns no entries before the agent has written the file. */
function readIngresses(node: HttpNode): readonly IngressEntry[] {
  const file = `${node.manifests}.status.json`;
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')).ingresses ?? []) : [];
}
