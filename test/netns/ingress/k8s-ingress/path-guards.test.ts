import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { HttpNode } from '../../../lab/http-node.ts';
import { until } from '../../../until.ts';
import { service } from '../http/objects.ts';
import { type Case, checkTraces, describeAnswer, runCases } from './cases.ts';
import { ingress, ingressClass } from './objects.ts';

/** An allow-list without this test's client. */
const closed = { 'whitelist-source-range': '192.0.2.0/24' };
const regex = { ...closed, 'use-regex': 'true' };

const admin = ingress('admin', { 'shop.test': { '/admin': 'admin' } }, { annotations: closed });
const objects: readonly object[] = [
  ingressClass(),
  ...service('web', [8001]),
  ...service('admin', [8002]),
  admin,
  ingress('web', { 'shop.test': { '/': 'web', '/admin/public': 'web', '/administration': 'web' } }),
  ingress('regex', { 'regex.test': { '~/admin(.*)': 'admin', '~/api(/|$)(.*)': 'admin' } }, { annotations: regex }),
  ingress('odd', { 'odd.test': { '~/v[0-9]+/admin': 'admin' } }, { age: 2, annotations: regex }),
  ...['regex', 'odd'].map((name) => ingress(`${name}-web`, { [`${name}.test`]: { '/': 'web' } })),
  ingress('low', { 'low.wild.test': { '/admin': 'admin' } }, { annotations: closed }),
  ingress('wild', { '*.wild.test': { '/': 'web' } }),
  ingress('open', { 'open.test': { '/': 'web', '/admin': 'admin' } }),
  ingress(
    'whole',
    { 'whole.test': { '/': 'admin' } },
    { annotations: { 'whitelist-source-range': '127.0.0.0/8,10.97.0.0/24' } },
  ),
];

/** Returns whether a path as it comes leads to the Service with the allow-list. */
function isListed(host: string, path: string): boolean {
  const open = path.startsWith('/admin/public');
  return host !== 'open.test' && !open && /^\/(?:admin(?![-\w;%\\])|api|v\d)/.test(path);
}

const other = (host: string, path: string, want: string): Case => [`${host}${path}: ${want}`, 'http', host, path, want];
const cases: readonly Case[] = [
  // nginx decodes, merges slashes and resolves dots before it selects a location.
  ...[
    '/admin',
    '/admin/x',
    '//admin',
    '/a//../admin',
    '/./admin',
    '/a/../admin',
    '/%61dmin',
    '/%2e/admin',
    '/a/%2e%2E/admin',
    '/%2fadmin',
    '/admin%2Fx',
    '/admin//x',
    '/x/..',
    '/admin%00',
  ].map((path) => other('shop.test', path, '403')),
  other('SHOP.test:80', '//admin', '403'),
  // Paths that cannot be decoded, or contain what ends a key of the maps.
  ...['/%61dmin/%zz', '/%61dmin%', '/a/../admin/%', '/%', '/%u0061dmin', '/admin/%C2%B6', '/%61dmin/%C2%B6'].map(
    (path) => other('shop.test', path, '403'),
  ),
  ...['/x/%c2%b6', '/a%00/../admin', '/%61dmin%00x', '/x%2f..%2fadmin', '/x%2F%2e%2e%2Fadmin'].map((path) =>
    other('shop.test', path, '403'),
  ),
  // Servers that drop parameters of segments or take a backslash for a slash.
  ...[
    '/admin;x',
    '/admin;x=1/y',
    '/;x/admin',
    '/a/..;/admin',
    '/a/.;x/admin',
    '/\\admin',
    '/x\\..\\admin',
    '/%5cadmin',
    '/x\\y',
  ].map((path) => other('shop.test', path, '403')),
  ...[
    '/',
    '/x',
    '/a%20b',
    '/a//b',
    '/admins',
    '/ADMIN',
    '/administration',
    '/admin/public/x',
    '/x?a=/../admin',
    '/a+b%2Bc',
    '/...',
    '/.well-known/x',
    '/%2561dmin',
    '/%252fadmin',
    '/%FFadmin',
    '/x/%c2',
    '/%E2%84%AA',
    '/x;a=1/b;c',
    '/administration;x',
  ].map((path) => other('shop.test', path, `200 web ${path}`)),
  ['TLS, too', 'https', 'shop.test', '//admin', '403'],
  // Regular expressions are not anchored and ignore case there.
  ...['/admin', '/adminX', '/ADMIN/x', '//Admin', '/api', '/API/x'].map((path) => other('regex.test', path, '403')),
  ...['/', '/apidocs', '/Static/X.js'].map((path) => other('regex.test', path, `200 web ${path}`)),
  ...['/v1/admin', '/v', '/V12/admin'].map((path) => other('odd.test', path, '403')),
  other('odd.test', '/x', '200 web /x'),
  ...['/admin', '//admin'].map((path) => other('low.wild.test', path, '403')),
  other('low.wild.test', '/x', '200 web /x'),
  other('high.wild.test', '//admin', '200 web //admin'),
  // Hosts without access rules, and with the same rules for all paths, remain as they are.
  other('open.test', '//admin', '200 web //admin'),
  other('whole.test', '/a/../b', '200 admin /a/../b'),
];

describe('access rules of Ingresses and other spellings of a path', () => {
  const node = new HttpNode('erkg', { ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms', ROUTER_MAX_SHUTDOWN_TIMEOUT: '1s' });

  before(async function () {
    this.timeout(60_000);
    await node.up();
    await node.serve({ name: 'web', port: 8001 });
    await node.serve({ name: 'admin', port: 8002 });
    node.write('objects', ...objects);
    await node.start('--cleanup-on-exit');
  });
  after(async () => {
    await node.end('SIGTERM');
    node.down();
  });

  runCases(node, cases);

  it('are predicted by erctl trace', async () => {
    await checkTraces(
      node,
      // The allow-list itself rejects the others; a trace knows no client.
      cases.filter(([, , host, path]) => !isListed(host, path)),
    );
  });

  it('follow the Ingress with the rules', async () => {
    const ask = async () => describeAnswer(await node.ask('http', 'shop.test', '//admin'));
    node.write('objects', ...objects.filter((one) => one !== admin));
    await until(
      async () => (await ask()) === '200 web //admin',
      () => node.log.slice(-2000),
      20_000,
    );
    node.write('objects', ...objects);
    await until(
      async () => (await ask()) === '403',
      () => node.log.slice(-2000),
      20_000,
    );
    assert.equal(describeAnswer(await node.ask('http', 'shop.test', '/x')), '200 web /x');
  });
});
