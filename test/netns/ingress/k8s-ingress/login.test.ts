import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { type Answer, HttpNode } from '../../../lab/http-node.ts';
import { until } from '../../../until.ts';
import { service } from '../http/objects.ts';
import { type Case, describeAnswer, fetchTrace, runCases } from './cases.ts';
import { type IngressWords, ingress, ingressClass } from './objects.ts';
import { checkVerdicts, type IngressVerdict } from './verdicts.ts';

/** Hashes of the password `secret`, and of `renewed`. */
const hashes = {
  md5: '$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1',
  sha256: '$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.',
  sha512: '$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.',
  bcrypt: '$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW',
  slow: '$2y$10$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u',
  apache: '$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/',
  renewed: '$1$abcdefgh$niwfpLpdhgAxYoMeNIc4H0',
};

function secret(name: string, data: Readonly<Record<string, string>>, namespace = 'shop'): object {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name }, type: 'Opaque', stringData: data };
}

const file = (...lines: readonly string[]) => ({ auth: lines.map((line) => `${line}\n`).join('') });

const basic = { 'auth-type': 'basic', 'auth-secret': 'users', 'auth-realm': "The shop's door" };

/** An Ingress for the host `NAME.test`. */
function guarded(name: string, annotations: Readonly<Record<string, string>> = {}, words: IngressWords = {}): object {
  return ingress(name, { [`${name}.test`]: { '/': 'web' } }, { ...words, annotations: { ...basic, ...annotations } });
}

const servicesOf = (namespace: string) =>
  service('web', [8001]).map((one) => {
    const { metadata, ...rest } = one as { readonly metadata: object };
    return { ...rest, metadata: { ...metadata, namespace } };
  });

const users = secret(
  'users',
  file(
    '# Shop',
    `bob:${hashes.sha512}`,
    `ann:${hashes.sha256}:a comment`,
    `old:${hashes.apache}`,
    `joe:${hashes.md5}`,
    `bob:${hashes.renewed}`,
    `eve:${hashes.bcrypt}`,
    `"x y' \\z:${hashes.md5}`,
  ),
);

const objects: readonly object[] = [
  ingressClass(),
  ...service('web', [8001]),
  ...service('other', [8002]),
  users,
  secret('map', { bob: hashes.sha512, auth: hashes.md5 }),
  secret('apache', file(`bob:${hashes.apache}`, `ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=`)),
  secret('slow', file(`bob:${hashes.slow}`)),
  secret('rounds', file(`bob:${hashes.sha512.replace('$6$', '$6$rounds=900000$')}`)),
  secret('empty', file()),
  secret('keyless', { users: `bob:${hashes.md5}` }),
  secret('users', file(`bob:${hashes.md5}`), 'rest'),
  guarded('file'),
  guarded('map', { 'auth-secret': 'shop/map', 'auth-secret-type': 'auth-map', 'auth-realm': '' }),
  guarded('canary-main'),
  ingress(
    'canary',
    { 'canary-main.test': { '/': 'other' } },
    { annotations: { canary: 'true', 'canary-by-header': 'X-Canary' } },
  ),
  guarded('listed', { 'whitelist-source-range': '10.97.0.2', satisfy: 'any' }),
  guarded('tls', { 'force-ssl-redirect': 'true' }),
  guarded('cors', { 'enable-cors': 'true' }),
  guarded('moved', { 'permanent-redirect': 'https://www.example.com/' }),
  guarded('passed', { 'ssl-passthrough': 'true' }),
  ...['missing', 'apache', 'slow', 'rounds', 'empty', 'keyless', 'rest/users'].map((name) =>
    guarded(name.replace('/', '-'), { 'auth-secret': name }),
  ),
  ingress('admin', { 'mixed.test': { '/admin': 'other' } }, { annotations: basic }),
  ingress('open', { 'mixed.test': { '/': 'web', '/admin/public': 'web' } }),
  ingress('shut', { 'shut.test': { '/admin': 'other' } }, { annotations: { ...basic, 'auth-secret': 'missing' } }),
  ingress('shut-open', { 'shut.test': { '/': 'web' } }),
  ingress('foreign', { 'mixed.test': { '/foreign': 'web' } }, { namespace: 'rest', age: 9 }),
  ingress('rest', {}, { annotations: { ...basic, 'auth-secret': 'users' }, namespace: 'rest', defaultBackend: 'web' }),
  ...servicesOf('rest'),
];

const as = (name: string, password = 'secret', scheme = 'Basic') => ({
  headers: { authorization: `${scheme} ${Buffer.from(`${name}:${password}`).toString('base64')}` },
});
const bob = as('bob');

const cases: readonly Case[] = [
  ['a user', 'http', 'file.test', '/x', '200 one /x', bob],
  ['a user over TLS', 'https', 'file.test', '/x', '200 one /x', bob],
  ['a user with SHA-256 and a comment', 'http', 'file.test', '/', '200 one /', as('ann')],
  ['a user with MD5', 'http', 'file.test', '/', '200 one /', as('joe')],
  ['a user with bcrypt', 'http', 'file.test', '/', '200 one /', as('eve')],
  ['a user with an odd name', 'http', 'file.test', '/', '200 one /', as(`"x y' \\z`)],
  ['a scheme in another case', 'http', 'file.test', '/', '200 one /', as('bob', 'secret', 'bASIC')],
  ['no client without a user', 'http', 'file.test', '/', '401'],
  ['no wrong password', 'http', 'file.test', '/', '401', as('bob', 'Secret')],
  ['no second password of a name', 'http', 'file.test', '/', '401', as('bob', 'renewed')],
  ['no unknown user', 'http', 'file.test', '/', '401', as('nobody')],
  ['no user with an unknown hash', 'http', 'file.test', '/', '401', as('old')],
  ['no hash instead of a password', 'http', 'file.test', '/', '401', as('joe', hashes.md5)],
  ['no empty credentials', 'http', 'file.test', '/', '401', as('', '')],
  ['no very long password', 'http', 'file.test', '/', '401', as('bob', 'x'.repeat(5000))],
  ['no other scheme', 'http', 'file.test', '/', '401', { headers: { authorization: 'Bearer secret' } }],
  [
    'no user among others',
    'http',
    'file.test',
    '/',
    '401',
    { headers: { authorization: `${bob.headers.authorization}, x` } },
  ],
  ['the users of keys', 'http', 'map.test', '/', '200 one /', as('auth')],
  ['no users of another Secret', 'http', 'map.test', '/', '401', as('ann')],
  [
    'a canary with the users of its main Ingress',
    'http',
    'canary-main.test',
    '/',
    '200 two /',
    { headers: { ...bob.headers, 'x-canary': 'always' } },
  ],
  ['no canary without a user', 'http', 'canary-main.test', '/', '401', { headers: { 'x-canary': 'always' } }],
  ['a user that fulfils all rules', 'http', 'listed.test', '/', '200 one /', { ...bob, address: '10.97.0.2' }],
  ['no user from elsewhere', 'http', 'listed.test', '/', '403', bob],
  ['no listed client without a user', 'http', 'listed.test', '/', '401', { address: '10.97.0.2' }],
  ['a redirect to https before the login', 'http', 'tls.test', '/x', '308 https://tls.test/x'],
  ['no client without a user over TLS', 'https', 'tls.test', '/', '401'],
  ['a redirect elsewhere before the login', 'http', 'moved.test', '/', '301 https://www.example.com/'],
  [
    'a preflight request',
    'http',
    'cors.test',
    '/',
    '204',
    { method: 'OPTIONS', headers: { origin: 'https://a.example' } },
  ],
  ['no TLS inside which users cannot log in', 'https', 'passed.test', '/', 'closed', bob],
  ...['missing', 'apache', 'slow', 'rounds', 'empty', 'keyless', 'rest-users'].map(
    (name): Case => [`no Ingress with the Secret ${name}`, 'http', `${name}.test`, '/', '503', bob],
  ),
  ['the open part of a host', 'http', 'mixed.test', '/x', '200 one /x'],
  ['an open path below a guarded one', 'http', 'mixed.test', '/admin/public/x', '200 one /admin/public/x'],
  ['a user on the guarded part', 'http', 'mixed.test', '/admin/x', '200 two /admin/x', bob],
  ...['/admin', '/admin/x', '/admin?x'].map(
    (path): Case => [`no ${path} without a user`, 'http', 'mixed.test', path, '401'],
  ),
  ...['//admin', '/a/../admin', '/%61dmin', '/admin/public/../x', '/x/%2e%2e/admin'].map(
    (path): Case => [`no ${path}, even for a user`, 'http', 'mixed.test', path, '403', bob],
  ),
  ['no path of another namespace', 'http', 'mixed.test', '/foreign', '200 one /foreign'],
  ['no closed path', 'http', 'shut.test', '/admin', '503'],
  ['no other spelling of a closed path', 'http', 'shut.test', '//admin', '403'],
  ['the open part of a host with a closed path', 'http', 'shut.test', '/x', '200 one /x'],
  ['the default backend for its users', 'http', 'unknown.test', '/x', '200 one /x', bob],
  ['no default backend for others', 'http', 'unknown.test', '/x', '401'],
];

describe('Basic authentication of Ingresses in the compiled agent', () => {
  const node = new HttpNode('erlo', {
    RELOAD_INTERVAL: '1s',
    ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms',
    ROUTER_MAX_SHUTDOWN_TIMEOUT: '1s',
  });

  before(async function () {
    this.timeout(120_000);
    await node.up();
    await node.serve({ name: 'one', port: 8001 });
    await node.serve({ name: 'two', port: 8002 });
    node.write('objects', ...objects);
    await node.start();
  });
  after(async () => {
    await node.end('SIGTERM');
    node.down();
  });

  runCases(node, cases);

  it('asks for a user in the realm of the Ingress, and passes the header on to the server', async () => {
    const { headers } = await node.ask('http', 'file.test', '/');
    assert.equal(headers['www-authenticate'], `Basic realm="The shop's door"`);
    assert.equal(
      (await node.ask('http', 'map.test', '/')).headers['www-authenticate'],
      'Basic realm="Authentication Required"',
    );
    assert.equal(
      (await node.ask('http', 'file.test', '/', bob)).echo?.headers.authorization,
      bob.headers.authorization,
    );
  });

  it('accepts no second header of a user, in either order', async () => {
    const good = `Authorization: ${bob.headers.authorization}\r\n`;
    const bad = `Authorization: ${as('nobody').headers.authorization}\r\n`;
    for (const lines of [good + bad, bad + good, good + good]) {
      const text = `GET / HTTP/1.1\r\nHost: file.test\r\n${lines}Connection: close\r\n\r\n`;
      assert.equal((await node.raw(text)).status, 401, lines);
    }
    assert.equal((await node.ask('http', 'file.test', '/', as('nobody'))).status, 401);
  });

  const verdicts: readonly IngressVerdict[] = [
    ['file', true, /some users cannot log in: line 4 has the format \$apr1\$ of Apache, .*"htpasswd -nB NAME"/],
    ['missing', false, /auth-secret "shop\/missing": this Secret does not exist/],
    ['apache', false, /no valid user: line 1 has the format \$apr1\$ .*; line 2 has a format in braces/],
    ['slow', false, /line 1 has the bcrypt cost 10; use 4 or 5, to save CPU/],
    ['rounds', false, /line 1 has rounds=900000; use 1000 to 5000/],
    ['empty', false, /this Secret contains no user/],
    ['keyless', false, /this Secret has no key auth; auth-secret-type auth-map/],
    ['rest-users', false, /must be a Secret of the namespace of the Ingress \(copy the Secret\)/],
    ['passed', false, /users cannot log in inside TLS/],
    ['listed', true, /satisfy "any": a client must satisfy all access rules/],
  ];
  checkVerdicts(node, verdicts);

  it('is part of traces', async () => {
    const { outcome, explanation, endpoints } = await fetchTrace(node, 'http', 'file.test', '/');
    assert.deepEqual([outcome, endpoints.length], ['served', 1]);
    assert.match(explanation, /only for its users \(basic authentication\), others get 401/);
    assert.match((await fetchTrace(node, 'http', 'missing.test', '/')).explanation, /this Secret does not exist/);
  });

  it('keeps hashes out of logs and statuses, and in files of root alone', () => {
    const words = Object.values(hashes).map((hash) => hash.split('$').at(-1) ?? '');
    const shown = node.log + readFileSync(`${node.manifests}.status.json`, 'utf8');
    for (const word of words) assert.ok(!shown.includes(word), word);
    const folder = join(node.folder, 'haproxy');
    assert.equal(statSync(folder).mode & 0o077, 0);
    const found = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((name) => join(folder, name))
      .filter((path) => statSync(path).isFile() && words.some((word) => readFileSync(path, 'utf8').includes(word)));
    assert.ok(found.length > 0);
    for (const path of found) assert.equal(statSync(path).mode & 0o077, 0, path);
  });

  it('limits the checks of a namespace, but not users that are known', async function () {
    this.timeout(60_000);
    assert.equal((await node.ask('http', 'unknown.test', '/', bob)).status, 200);
    let round = 0;
    const flood = async (): Promise<readonly number[]> => {
      round++;
      const asked = Array.from({ length: 200 }, (_, index) => as('bob', `wrong ${round} ${index}`));
      return (await Promise.all(asked.map((words) => node.ask('http', 'unknown.test', '/', words)))).map(
        ({ status }) => status,
      );
    };
    await until(
      async () => {
        const statuses = await flood();
        assert.deepEqual(
          [...new Set(statuses)].filter((one) => one !== 401 && one !== 503),
          [],
        );
        assert.equal((await node.ask('http', 'unknown.test', '/', bob)).status, 200);
        return statuses.includes(503);
      },
      () => 'no check was rejected',
      30_000,
    );
    assert.equal((await node.ask('http', 'file.test', '/', as('nobody'))).status, 401, 'another namespace');
  });

  /** Asks until an answer is as wanted. Returns all answers, each once in a row. */
  async function follow(host: string, path: string, words: object, isWanted: (answer: Answer) => boolean) {
    const seen: string[] = [];
    await until(
      async () => {
        const answer = await node.ask('http', host, path, words);
        const text = describeAnswer(answer);
        if (seen.at(-1) !== text) seen.push(text);
        return isWanted(answer);
      },
      () => [seen, node.log.slice(-2000)],
      20_000,
    );
    return seen;
  }

  const status = (wanted: number) => (answer: Answer) => answer.status === wanted;

  describe('when objects change', function () {
    this.timeout(60_000);
    const own = { namespace: 'live' };
    const base = [...servicesOf('live'), ingress('base', { 'live.test': { '/': 'web' } }, own)];
    const admin = (annotations: Readonly<Record<string, string>>) =>
      ingress('admin', { 'live.test': { '/admin': 'web' } }, { ...own, age: 1, annotations });
    const bobs = secret('users', file(`bob:${hashes.md5}`), 'live');

    it('closes a path until its rule is in force, and never falls back to a shorter path', async () => {
      node.write('live', ...base, admin({}), bobs);
      await follow('live.test', '/admin', {}, status(200));
      node.write('live', ...base, admin(basic), bobs);
      const seen = await follow('live.test', '/admin', {}, status(401));
      assert.deepEqual(seen.slice(seen[0]?.startsWith('200') ? 1 : 0), seen.includes('503') ? ['503', '401'] : ['401']);
      assert.equal((await node.ask('http', 'live.test', '/admin', bob)).status, 200);
      assert.equal((await node.ask('http', 'live.test', '/x')).status, 200);
      assert.equal((await node.ask('http', 'live.test', '//admin', bob)).status, 403);
    });

    it('accepts a new password, and no longer the previous one', async () => {
      assert.equal((await node.ask('http', 'live.test', '/admin', bob)).status, 200);
      node.write('live', ...base, admin(basic), secret('users', file(`bob:${hashes.renewed}`), 'live'));
      const seen = await follow('live.test', '/admin', as('bob', 'renewed'), status(200));
      // Above the limit of checks, 503.
      assert.deepEqual(
        [...new Set(seen)].filter((one) => one !== '503'),
        ['401', '200 one /admin'],
      );
      await follow('live.test', '/admin', bob, status(401));
    });

    it('closes the path at once when the Secret is gone, and opens it when it is back', async () => {
      const known = as('bob', 'renewed');
      node.write('live', ...base, admin(basic));
      assert.deepEqual((await follow('live.test', '/admin', known, status(503))).at(-1), '503');
      assert.equal((await node.ask('http', 'live.test', '/admin')).status, 503);
      node.write('live', ...base, admin(basic), bobs);
      assert.deepEqual(await follow('live.test', '/admin', bob, status(200)), ['503', '200 one /admin']);
      assert.equal((await node.ask('http', 'live.test', '/admin', known)).status, 401);
    });

    it('survives the death of the agent', async () => {
      await node.end('SIGKILL');
      assert.equal((await node.ask('http', 'live.test', '/admin')).status, 401);
      assert.equal((await node.ask('http', 'live.test', '/admin', bob)).status, 200);
      await node.start();
      assert.equal((await node.ask('http', 'live.test', '/admin')).status, 401);
      assert.equal((await node.ask('http', 'live.test', '/admin', bob)).status, 200);
      let counts: readonly string[] = [];
      await until(
        async () => {
          const { body } = await node.ask('http', 'localhost', '/metrics', { address: '127.0.0.1', port: 1936 });
          counts = [...body.matchAll(/^egress_router_ingress_haproxy_reloads\S* (\d+)$/gm)].map(
            ([, count]) => count ?? '',
          );
          return counts.length > 0;
        },
        () => node.log.slice(-2000),
        20_000,
      );
      assert.deepEqual([...new Set(counts)], ['0'], 'the agent resumes without a reload');
    });

    it('opens the path when the rule is removed', async () => {
      node.write('live', ...base, admin({}), bobs);
      assert.deepEqual((await follow('live.test', '/admin', {}, status(200))).at(-1), '200 one /admin');
    });

    it('asks for users in a second namespace while the first one has the host', async () => {
      const late = ingress('late', { 'live.test': { '/late': 'web' } }, { namespace: 'rest', age: 5 });
      node.write('late', late);
      node.write('live', ...base, admin(basic), bobs);
      await follow('live.test', '/admin', {}, status(401));
      assert.equal(describeAnswer(await node.ask('http', 'live.test', '/late')), '200 one /late', 'of the owner');
    });
  });
});
