import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { after, before, describe, it } from 'mocha';
import { TestAuthority } from '../../../lab/certificates.ts';
import { type Answer, HttpNode, type Words } from '../../../lab/http-node.ts';
import { until } from '../../../until.ts';
import { route, service } from '../http/objects.ts';
import { type Case, describeAnswer, fetchTrace, runCases } from './cases.ts';
import { type IngressWords, ingress, ingressClass, type Paths } from './objects.ts';
import { checkVerdicts, type IngressVerdict } from './verdicts.ts';

const netns = 'erclient';

// Two authorities have one name, as an attacker may choose.
const authorities = {
  one: new TestAuthority('clients'),
  two: new TestAuthority('clients'),
  three: new TestAuthority('others'),
  server: new TestAuthority('servers'),
};

function secret(name: string, stringData: Readonly<Record<string, string>>, namespace = 'shop', type = 'Opaque') {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name }, type, stringData };
}

function makeTls(host: string): object {
  const { certificate, key } = authorities.server.issue({ name: host, hosts: [host] });
  return secret(
    `tls-${host.replace('*', 'any')}`,
    { 'tls.crt': certificate, 'tls.key': key },
    'shop',
    'kubernetes.io/tls',
  );
}

const ca = (name: 'one' | 'two', namespace = 'shop') =>
  secret(name, { 'ca.crt': authorities[name].certificate }, namespace);

/** An Ingress for hosts with TLS, whose clients are verified by authority one. */
function verified(
  name: string,
  hosts: Readonly<Record<string, Paths>>,
  annotations: Readonly<Record<string, string>> = {},
  words: IngressWords = {},
): object {
  const tls = [{ hosts: Object.keys(hosts) }];
  return ingress(name, hosts, { tls, ...words, annotations: { 'auth-tls-secret': 'shop/one', ...annotations } });
}

const web = { '/': 'web' };

const objects: readonly object[] = [
  ingressClass(),
  ...service('web', [8001]),
  ...service('other', [8002]),
  ca('one'),
  ca('two'),
  ca('one', 'rest'),
  secret('keyless', { 'tls.crt': authorities.one.certificate }),
  secret('garbage', { 'ca.crt': 'no certificate' }),
  secret('revoking', { 'ca.crt': authorities.one.certificate, 'ca.crl': 'x' }),
  makeTls('on.test'),
  makeTls('open.test'),
  makeTls('*.wild.test'),
  verified('on', { 'on.test': web }, {}, { tls: [{ hosts: ['on.test'], secretName: 'tls-on.test' }] }),
  ingress('early', { 'on.test': { '/early': 'other' } }, { age: -9 }),
  ingress('late', { 'on.test': { '/late': 'other' } }, { age: 9, annotations: { 'ssl-redirect': 'false' } }),
  ingress('stranger', { 'on.test': { '/stranger': 'web' } }, { age: 9, namespace: 'rest' }),
  route('allowed', 'on.test', {
    service: 'other',
    spec: { path: '/route', tls: { termination: 'edge', insecureEdgeTerminationPolicy: 'Allow' } },
  }),
  ingress('open', { 'open.test': web }, { tls: [{ hosts: ['open.test'], secretName: 'tls-open.test' }] }),
  verified('two', { 'two.test': web }, { 'auth-tls-secret': 'shop/two' }),
  verified('optional', { 'optional.test': web }, { 'auth-tls-verify-client': 'optional' }),
  verified('any', { 'any.test': web }, { 'auth-tls-verify-client': 'optional_no_ca' }),
  verified('off', { 'off.test': web }, { 'auth-tls-verify-client': 'off', 'ssl-redirect': 'false' }),
  verified('odd', { 'odd.test': web }, { 'auth-tls-verify-client': 'yes' }),
  verified('passes', { 'passes.test': web }, { 'auth-tls-pass-certificate-to-upstream': 'true' }),
  verified('wild', { '*.wild.test': web }, {}, { tls: [{ hosts: ['*.wild.test'], secretName: 'tls-any.wild.test' }] }),
  ingress('tame', { 'tame.wild.test': { '/': 'other' } }, { tls: [{ hosts: ['tame.wild.test'] }] }),
  verified('main', { 'main.test': web }),
  ingress(
    'canary',
    { 'main.test': { '/': 'other' } },
    { age: 5, annotations: { canary: 'true', 'canary-by-header': 'X-Canary' } },
  ),
  verified('bare', { 'bare.test': web }, { 'ssl-redirect': 'false' }),
  verified('alias', { 'alias.test': web }, { 'server-alias': 'other-alias.test' }),
  verified('moved', { 'moved.test': web }, { 'permanent-redirect': 'https://www.example.com/' }),
  verified('older', { 'conflict.test': web }),
  verified('younger', { 'conflict.test': { '/two': 'other' } }, { 'auth-tls-secret': 'shop/two' }, { age: 9 }),
  verified('plain', { 'plain.test': web }, {}, { tls: [] }),
  verified('missing', { 'missing.test': web }, { 'auth-tls-secret': 'shop/missing' }),
  verified('keyless', { 'keyless.test': web }, { 'auth-tls-secret': 'shop/keyless' }),
  verified('garbage', { 'garbage.test': web }, { 'auth-tls-secret': 'shop/garbage' }),
  verified('revoking', { 'revoking.test': web }, { 'auth-tls-secret': 'shop/revoking' }),
  verified('cross', { 'cross.test': web }, { 'auth-tls-secret': 'rest/one' }),
  verified('named', { 'named.test': web }, { 'auth-tls-match-cn': 'CN=(?:bob|an n),O=shop' }),
  verified('named-other', { 'named-other.test': web }, { 'auth-tls-match-cn': 'CN=ann$' }),
  verified(
    'named-optional',
    { 'named-optional.test': web },
    { 'auth-tls-match-cn': 'CN=bob', 'auth-tls-verify-client': 'optional' },
  ),
  ingress('named-late', { 'named.test': { '/late': 'other' } }, { age: 9 }),
  verified('risky', { 'risky.test': web }, { 'auth-tls-match-cn': 'CN=(a+)+$' }),
  verified('unnamed', { 'unnamed.test': web }, { 'auth-tls-match-cn': 'O=shop' }),
  verified('deep', { 'deep.test': web }, { 'auth-tls-verify-depth': '1' }),
  verified('passed', { 'passed.test': web }, { 'ssl-passthrough': 'true' }),
  verified('shut', { 'half.test': { '/shut': 'web' } }, { 'auth-tls-secret': 'shop/missing' }),
  ingress('shut-open', { 'half.test': web }, { tls: [{ hosts: ['half.test'] }], age: -9 }),
  verified('rest', {}, {}, { defaultBackend: 'web' }),
];

const now = Date.now();
const day = 86_400_000;
const as = (
  authority: 'one' | 'two' | 'three',
  words: { readonly name?: string; readonly from?: Date; readonly until?: Date } = {},
): Words => {
  const { certificate, key } = authorities[authority].issue({ name: 'bob', organisation: 'shop, "x"', ...words });
  return { client: { cert: certificate, key } };
};
const [one, two, three] = [as('one'), as('two'), as('three')];
const expired = as('one', { from: new Date(now - 2 * day), until: new Date(now - day) });
const early = as('one', { from: new Date(now + day), until: new Date(now + 2 * day) });
const strange = as('three', { from: new Date(now - 2 * day), until: new Date(now - day) });

const cases: readonly Case[] = [
  ['a client with a certificate', 'https', 'on.test', '/x', '200 one /x', one],
  ['a client with a certificate over HTTP/2', 'https', 'on.test', '/x', '200 one /x', { ...one, http2: true }],
  ['a host with port', 'https', 'on.test', '/', '200 one /', { ...one, headers: { host: 'On.Test.:443' } }],
  ['no client without a certificate', 'https', 'on.test', '/', '400'],
  ['no client without a certificate over HTTP/2', 'https', 'on.test', '/', '400', { http2: true }],
  ['no client of another authority with the same name', 'https', 'on.test', '/', '400', two],
  ['no expired certificate', 'https', 'on.test', '/', '400', expired],
  ['no certificate of tomorrow', 'https', 'on.test', '/', '400', early],
  ['a redirect without TLS', 'http', 'on.test', '/x', '308 https://on.test/x'],
  ...['/early', '/late', '/route'].flatMap((path): Case[] => [
    [
      `the path ${path} of another object to clients with a certificate`,
      'https',
      'on.test',
      path,
      `200 two ${path}`,
      one,
    ],
    [`no path ${path} of another object to others`, 'https', 'on.test', path, '400'],
    [`no path ${path} of another object without TLS`, 'http', 'on.test', path, `308 https://on.test${path}`],
  ]),
  ['no path of another namespace', 'https', 'on.test', '/stranger', '200 one /stranger', one],
  ['other hosts without a certificate', 'https', 'open.test', '/', '200 one /'],
  ['other hosts with a certificate', 'https', 'open.test', '/', '200 one /', one],
  ['a client of the other authority', 'https', 'two.test', '/', '200 one /', two],
  ['no client of the first authority on the host of the other', 'https', 'two.test', '/', '400', one],
  ...['open.test', 'two.test', 'optional.test', 'tame.wild.test', 'unknown.test', ''].flatMap((sni): Case[] =>
    [{}, one, two].map((client, index) => [
      `no request for a verified host on a connection for ${sni || 'no name'} (${index})`,
      'https',
      'on.test',
      '/',
      '421',
      { ...client, sni },
    ]),
  ),
  [
    'no request for an open host on a verified connection',
    'https',
    'open.test',
    '/',
    '421',
    { ...one, sni: 'on.test' },
  ],
  [
    'no request for a verified host with the authorities of the connection',
    'https',
    'optional.test',
    '/',
    '421',
    { ...one, sni: 'on.test' },
  ],
  [
    'no coalesced request of HTTP/2',
    'https',
    'on.test',
    '/',
    '421',
    { ...one, http2: true, sni: 'open.test', authority: 'on.test' },
  ],
  [
    'no coalesced request of HTTP/2 with a wildcard',
    'https',
    'a.wild.test',
    '/',
    '421',
    { ...one, http2: true, sni: 'b.wild.test', authority: 'a.wild.test' },
  ],
  [
    'no request whose host names a key of HAProxy',
    'https',
    'on.test',
    '/',
    '421',
    { ...one, headers: { host: 'gateway_tls_1|on.test' } },
  ],
  ['a client without a certificate where it is optional', 'https', 'optional.test', '/', '200 one /'],
  ['a client with an optional certificate', 'https', 'optional.test', '/', '200 one /', one],
  ['no client with an invalid optional certificate', 'https', 'optional.test', '/', '400', two],
  ['any client without authorities', 'https', 'any.test', '/', '200 one /'],
  ['a client of another authority without authorities', 'https', 'any.test', '/', '200 one /', three],
  ['no client with a wrong signature without authorities', 'https', 'any.test', '/', '400', two],
  ['no expired certificate of another authority', 'https', 'any.test', '/', '400', strange],
  ['no expired certificate without authorities', 'https', 'any.test', '/', '400', expired],
  ['no client for an invalid mode', 'https', 'odd.test', '/', '400'],
  ['plain HTTP where verification is off', 'http', 'off.test', '/', '200 one /'],
  ['TLS where verification is off', 'https', 'off.test', '/', '200 one /', two],
  ['names below a verified wildcard', 'https', 'a.wild.test', '/', '200 one /', one],
  ['no name below a verified wildcard to others', 'https', 'a.wild.test', '/', '400'],
  ['an open host below a verified wildcard', 'https', 'tame.wild.test', '/', '200 two /'],
  [
    'no verified wildcard on a connection for a host below',
    'https',
    'a.wild.test',
    '/',
    '421',
    { sni: 'tame.wild.test' },
  ],
  ['no open host on a connection of a wildcard', 'https', 'tame.wild.test', '/', '421', { ...one, sni: 'a.wild.test' }],
  ['a subject', 'https', 'named.test', '/', '200 one /', one],
  ['a subject with a blank', 'https', 'named.test', '/', '200 one /', as('one', { name: 'an n' })],
  ['no other subject', 'https', 'named.test', '/', '403', as('one', { name: 'eve' })],
  ['no other subject on a path of another object', 'https', 'named.test', '/late', '403', as('one', { name: 'eve' })],
  ['no subject of another host', 'https', 'named-other.test', '/', '403', one],
  ['no subject before the end', 'https', 'named-other.test', '/', '403', as('one', { name: 'ann' })],
  ['no subject without a certificate', 'https', 'named.test', '/', '400'],
  ['no subject without an optional certificate', 'https', 'named-optional.test', '/', '403'],
  ['no subject of another authority', 'https', 'named.test', '/', '400', three],
  ['a canary', 'https', 'main.test', '/', '200 two /', { ...one, headers: { 'x-canary': 'always' } }],
  ['no canary to others', 'https', 'main.test', '/', '400', { headers: { 'x-canary': 'always' } }],
  ['a redirect in spite of ssl-redirect', 'http', 'bare.test', '/', '308 https://bare.test/'],
  ['an alias', 'https', 'other-alias.test', '/', '200 one /', one],
  ['no alias to others', 'https', 'other-alias.test', '/', '400'],
  ['no redirect elsewhere to others', 'https', 'moved.test', '/', '400'],
  ['a redirect elsewhere', 'https', 'moved.test', '/', '301 https://www.example.com/', one],
  ['the authorities of the older Ingress', 'https', 'conflict.test', '/two', '200 two /two', one],
  ['no authorities of the younger Ingress', 'https', 'conflict.test', '/two', '400', two],
  ['no default backend', 'https', 'unknown.test', '/', '503', one],
  ['no default backend without TLS', 'http', 'unknown.test', '/', '503'],
  ['no TLS inside which clients cannot be verified', 'https', 'passed.test', '/', 'closed', one],
  ['no host without TLS', 'http', 'plain.test', '/', '503'],
  ...['plain', 'missing', 'keyless', 'garbage', 'revoking', 'cross', 'risky', 'unnamed', 'deep'].map(
    (name): Case => [`no host of the Ingress ${name}`, 'https', `${name}.test`, '/', '503', one],
  ),
  ...['/', '/shut'].map(
    (path): Case => [`no ${path} of a host without authorities`, 'https', 'half.test', path, '503'],
  ),
];

describe('client certificates of Ingresses in the compiled agent', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ercl-'));
  const node = new HttpNode(netns, {
    RELOAD_INTERVAL: '1s',
    ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms',
    ROUTER_MAX_SHUTDOWN_TIMEOUT: '1s',
  });
  const connections: OpenConnection[] = [];
  const options = ['--listener-ports=61000-61063'];

  before(async function () {
    this.timeout(120_000);
    await node.up();
    await node.serve({ name: 'one', port: 8001 });
    await node.serve({ name: 'two', port: 8002 });
    node.write('objects', ...objects);
    await node.start(...options);
  });
  after(async () => {
    for (const each of connections) each.close();
    await node.end('SIGTERM');
    node.down();
    rmSync(folder, { recursive: true, force: true });
  });

  runCases(node, cases);

  const forged = {
    'ssl-client-verify': 'SUCCESS',
    'ssl-client-subject-dn': 'CN=root',
    'ssl-client-issuer-dn': 'CN=clients',
    'ssl-client-cert': 'x',
    SSL_Client_Verify: 'SUCCESS',
    'ssl-client_subject-dn': 'CN=root',
  };
  /** Returns the headers about the client that a server gets. */
  async function see(host: string, words: Words): Promise<Readonly<Record<string, string>>> {
    const answer = await node.ask('https', host, '/', { ...words, headers: forged });
    assert.ok(answer.echo !== undefined, describeAnswer(answer));
    return Object.fromEntries(Object.entries(answer.echo.headers).filter(([name]) => /^ssl[-_]/.test(name)));
  }

  it('tells servers about the client, and drops what the client says', async () => {
    const subject = 'CN=bob,O=shop\\, \\"x\\"';
    const known = { 'ssl-client-subject-dn': subject, 'ssl-client-issuer-dn': 'CN=clients' };
    assert.deepEqual(await see('on.test', one), { 'ssl-client-verify': 'SUCCESS', ...known });
    assert.deepEqual(await see('optional.test', {}), { 'ssl-client-verify': 'NONE' });
    assert.deepEqual(await see('any.test', three), {
      'ssl-client-verify': 'FAILED:21',
      ...known,
      'ssl-client-issuer-dn': 'CN=others',
    });
    const passed = await see('passes.test', one);
    assert.equal(decodeURIComponent(passed['ssl-client-cert'] ?? ''), one.client?.cert);
    assert.deepEqual(await see('off.test', one), { 'ssl-client-verify': 'NONE' });
    assert.equal((await see('open.test', one))['ssl-client-verify'], 'SUCCESS', 'hosts without the annotation');
  });

  /** Returns the answer of one request by `openssl s_client`, or an empty text. */
  async function askOpenssl(host: string, words: readonly string[]): Promise<string> {
    const input = `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    const command = ['netns', 'exec', netns, 'openssl', 's_client', '-connect', '127.0.0.1:443', '-servername', host];
    const { stdout } = await execa('ip', [...command, '-ign_eof', '-quiet', ...words], {
      input,
      reject: false,
      timeout: 10_000,
    });
    return /HTTP\/1.1 (\d+)/.exec(stdout)?.[1] ?? '';
  }

  it('never resumes a session', async function () {
    this.timeout(60_000);
    const pair = join(folder, 'one.pem');
    writeFileSync(pair, `${one.client?.cert}${one.client?.key}`);
    const session = join(folder, 'session');
    for (const words of [['-tls1_2'], ['-tls1_2', '-no_ticket'], ['-tls1_3']]) {
      for (const [from, own] of [
        ['open.test', []],
        ['on.test', ['-cert', pair]],
        ['optional.test', ['-cert', pair]],
      ] as const) {
        writeFileSync(session, '');
        assert.equal(await askOpenssl(from, [...words, ...own, '-sess_out', session]), '200', from);
        // Verified hosts give no session out.
        if (readFileSync(session, 'utf8') === '') continue;
        for (const to of ['on.test', 'two.test'])
          assert.equal(
            await askOpenssl(to, [...words, '-sess_in', session]),
            '400',
            `${from} ${to} ${words.join(' ')}`,
          );
      }
    }
  });

  const verdicts: readonly IngressVerdict[] = [
    ['on', true, /^(?!.*auth-tls)/],
    ['younger', true, /host conflict\.test verifies clients as the older Ingress older demands/],
    ['odd', true, /auth-tls-verify-client "yes": must be on, off, optional or optional_no_ca; it counts as on/],
    ['plain', false, /clients can only be verified with TLS: add plain\.test to spec\.tls/],
    ['missing', false, /auth-tls-secret "shop\/missing": this Secret does not exist/],
    ['keyless', false, /this Secret has no ca\.crt/],
    ['garbage', false, /ca\.crt.*must contain only certificates in PEM/],
    ['revoking', false, /revocation list \(ca\.crl\), which is not supported/],
    ['cross', false, /must be a Secret of the namespace of the Ingress \(copy the Secret\)/],
    [
      'risky',
      false,
      /auth-tls-match-cn: regular expression .* repeats "\(a\+\).*", which may match in more than one way/,
    ],
    ['unnamed', false, /auth-tls-match-cn "O=shop": must be CN= and a regular expression/],
    ['deep', false, /auth-tls-verify-depth "1": the length of certificate chains is not limited/],
    ['passed', false, /clients cannot be verified inside TLS/],
    ['shut-open', false, /half\.test answers 503: auth-tls-secret "shop\/missing": this Secret does not exist/],
    ['rest', false, /client certificates need a rule with a host/],
  ];
  checkVerdicts(node, verdicts);

  it('is part of traces', async () => {
    const { outcome, explanation } = await fetchTrace(node, 'https', 'on.test', '/');
    assert.equal(outcome, 'served');
    assert.match(explanation, /only for clients with a valid certificate \(authorities in shop\/one\), others get 400/);
    assert.match((await fetchTrace(node, 'https', 'missing.test', '/')).explanation, /this Secret does not exist/);
    assert.equal((await fetchTrace(node, 'http', 'bare.test', '/')).outcome, 'redirect');
  });

  /** Asks until an answer is as wanted. Returns all answers, each once in a row. */
  async function follow(host: string, words: Words, wanted: string): Promise<readonly string[]> {
    const seen: string[] = [];
    await until(
      async () => {
        const text = describeAnswer((await node.ask('https', host, '/', words)) as Answer);
        if (seen.at(-1) !== text) seen.push(text);
        return text === wanted;
      },
      () => [seen, node.log.slice(-2000)],
      20_000,
    );
    return seen;
  }

  describe('when objects change', function () {
    this.timeout(60_000);
    const host = 'live.test';
    const own = { namespace: 'live' };
    const live = (secretName: string | undefined) =>
      ingress(
        'live',
        { [host]: web },
        {
          ...own,
          tls: [{ hosts: [host] }],
          annotations: secretName === undefined ? {} : { 'auth-tls-secret': `live/${secretName}` },
        },
      );
    const services = service('web', [8001]).map((each) => {
      const { metadata, ...rest } = each as { readonly metadata: object };
      return { ...rest, metadata: { ...metadata, namespace: 'live' } };
    });
    const clients = (...names: readonly ('one' | 'two')[]) =>
      secret('ca', { 'ca.crt': names.map((name) => authorities[name].certificate).join('') }, 'live');
    const open = async (name: string, words: Words): Promise<OpenConnection> => {
      const connection = new OpenConnection(folder, name, words);
      connections.push(connection);
      assert.equal(await connection.ask(), '200');
      return connection;
    };

    it('asks open connections for another one, when the clients of their host are verified', async () => {
      node.write('live', ...services, live(undefined), clients('one'));
      await follow(host, {}, '200 one /');
      const connection = await open(host, {});
      node.write('live', ...services, live('ca'), clients('one'));
      assert.deepEqual((await follow(host, {}, '400')).at(-1), '400');
      assert.ok(['421', ''].includes(await connection.ask()));
      await follow(host, one, '200 one /');
    });

    it('ends connections when the authorities change, but not those of other hosts', async () => {
      const [kept, ended] = [await open('on.test', one), await open(host, one)];
      node.write('live', ...services, live('ca'), clients('two'));
      await follow(host, two, '200 one /');
      assert.equal(await ended.ask(), '');
      assert.equal(describeAnswer(await node.ask('https', host, '/', one)), '400');
      assert.equal(await kept.ask(), '200');
    });

    it('closes the host while the Secret is missing, also after a restart of the agent', async () => {
      const connection = await open(host, two);
      node.write('live', ...services, live('ca'));
      assert.equal((await follow(host, two, '503')).includes('200 one /'), true);
      assert.equal(await connection.ask(), '');
      await node.end('SIGKILL');
      for (const words of [{}, two]) assert.equal(describeAnswer(await node.ask('https', host, '/', words)), '503');
      await node.start(...options);
      for (const words of [{}, two]) assert.equal(describeAnswer(await node.ask('https', host, '/', words)), '503');
      for (const words of [{}, two])
        assert.equal(describeAnswer(await node.ask('https', 'on.test', '/', words)), '400');
      node.write('live', ...services, live('ca'), clients('two'));
      const seen = await follow(host, two, '200 one /');
      assert.ok(!seen.includes('400'), seen.join(' '));
    });

    it('opens the host when the annotation is removed', async () => {
      node.write('live', ...services, live(undefined), clients('two'));
      await follow(host, {}, '200 one /');
      assert.equal(describeAnswer(await node.ask('https', 'on.test', '/')), '400');
    });

    it('closes hosts beyond the frontends of their namespace, and leaves some for others', async () => {
      const many = Array.from({ length: 9 }, (_, index) => `many${index}`);
      node.write(
        'many',
        ...many.map((name) => secret(name, { 'ca.crt': authorities.one.certificate })),
        ...many.map((name, age) =>
          verified(name, { [`${name}.test`]: web }, { 'auth-tls-secret': `shop/${name}` }, { age: 100 + age }),
        ),
      );
      const count = async (wanted: string) => {
        const all = await Promise.all(many.map((name) => node.ask('https', `${name}.test`, '/', one)));
        return all.map(describeAnswer).filter((text) => text === wanted).length;
      };
      // Two Secrets of the namespace are in use by other hosts.
      await until(
        async () => (await count('200 one /')) === 6,
        async () => [await count('200 one /'), await count('503')],
        20_000,
      );
      assert.equal(await count('503'), 3);
      node.write('live', ...services, live('ca'), clients('two'));
      await follow(host, two, '200 one /');
      // Those that were there stay.
      assert.equal(describeAnswer(await node.ask('https', 'on.test', '/', one)), '200 one /');
      const traces = await Promise.all(many.map((name) => fetchTrace(node, 'https', `${name}.test`, '/')));
      assert.ok(
        traces.some(({ explanation }) =>
          /all 16 TLS frontends .*, or the 8 of this namespace, are in use/.test(explanation),
        ),
      );
      node.remove('many');
    });
  });
}).timeout(30_000);

/** A connection that stays open between requests. */
class OpenConnection {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #host: string;
  #answer = '';
  #isClosed = false;

  constructor(folder: string, host: string, { client }: Words) {
    this.#host = host;
    const file = join(folder, `${host}.pem`);
    if (client !== undefined) writeFileSync(file, `${client.cert}${client.key}`);
    const words = ['s_client', '-connect', '127.0.0.1:443', '-servername', host, '-quiet', '-ign_eof'];
    const pair = client === undefined ? [] : ['-cert', file];
    this.#child = spawn('ip', ['netns', 'exec', netns, 'openssl', ...words, ...pair]);
    this.#child.stdout.setEncoding('latin1').on('data', (text: string) => {
      this.#answer += text;
    });
    this.#child.stdin.on('error', () => undefined);
    this.#child.on('close', () => {
      this.#isClosed = true;
    });
  }

  /** Returns the status of a request, or an empty text if the connection is closed instead. */
  async ask(): Promise<string> {
    this.#answer = '';
    this.#child.stdin.write(`GET / HTTP/1.1\r\nHost: ${this.#host}\r\n\r\n`);
    const status = () => /HTTP\/1\.1 (\d+)/.exec(this.#answer)?.[1];
    await until(
      () => this.#isClosed || status() !== undefined,
      () => JSON.stringify(this.#answer),
      10_000,
    );
    return status() ?? '';
  }

  close(): void {
    this.#child.kill();
  }
}
