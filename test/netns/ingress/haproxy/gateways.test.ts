import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { after, before, describe, it } from 'mocha';
import type { HttpState, Settings } from '../../../../src/ingress/haproxy/model.ts';
import type { Condition, Rule, RulePath, Target, VirtualHost } from '../../../../src/ingress/haproxy/rule.ts';
import { makeBackend, makeServer, makeState } from './fixtures.ts';
import { type Answer, send, World } from './world.ts';

const first = 61_000;
const place = '8080@127.0.0.1';
const ports = new Map([
  [String(first), '8080'],
  [String(first + 1), '81'],
]);

const gateways: NonNullable<Settings['gateways']> = {
  ports: { http: { from: first, to: first + 3 }, tls: { from: first + 4, to: first + 7 } },
  inner: 2,
};

function rule(path: string, to: string | Target, ...conditions: readonly Condition[]): Rule {
  const [, sign = '', value = ''] = /^([=~]?)(.*)$/.exec(path) ?? [];
  const type = ({ '=': 'exact', '~': 'regex' } as const)[sign] ?? 'prefix';
  const target: Target = typeof to === 'string' ? { kind: 'backend', backend: `be_http:test:${to}` } : to;
  return { path: { type, value } satisfies RulePath, conditions, target };
}

function header(name: string, value: string, type: 'exact' | 'regex' = 'exact'): Condition {
  return { on: 'header', name, type, value };
}

function param(name: string, value: string, type: 'exact' | 'regex' = 'exact'): Condition {
  return { on: 'param', name, type, value };
}

const method = (value: string): Condition => ({ on: 'method', type: 'exact', value });
const answer = (status: 404 | 500 | 503): Target => ({ kind: 'answer', status });

function host(name: string, rules: readonly Rule[], listener = 'gw/any'): [string, VirtualHost] {
  const key = `${place}|${name}`;
  return [key, { key, listener, rules }];
}

const long = 'x'.repeat(4096);
/** Values that differ after it are the longest ones that HAProxy can distinguish. */
const late = 'x'.repeat(3699);

const hosts = new Map([
  host('plain.test', [rule('/', 'a')]),
  host('paths.test', [rule('=/a', 'exact'), rule('/a/b', 'b'), rule('/a/', 'a'), rule('=/slash/', 'exact')]),
  host('*.deep.test', [rule('/', 'deep')]),
  host('exact.deep.test', [rule('/only', 'exact')]),
  host('none.deep.test', []),
  host('cond.test', [
    rule('/', 'a', header('X-Color', 'red'), method('PUT')),
    rule('/', 'b', header('x-color', 'red')),
    rule('/', 'c', header('x-color', 'blau "quoted" \\ ;<|= ü%41')),
    rule('/', 'd', param('animal', 'a b&=c')),
    rule('/', 'e', header('x-long', long)),
    rule('/', 'f', header('x-re', '[a-c]+ x', 'regex'), param('n', '[0-9]+', 'regex')),
    rule('/', 'g', header('x-re', '[a-z]+ x', 'regex')),
    rule('/', 'exact', method('DELETE')),
  ]),
  host('more.test', [
    rule('/', 'a', header('x-long', `${late}a`)),
    rule('/', 'b', header('x-long', `${late}b`)),
    rule('/', 'c', method('PATCH')),
    rule('/', 'd', header('m', 'GET'), param('p', 'x/y=z')),
    rule('/', 'e', header('x-any', '.*', 'regex')),
    rule('/', 'f', param('any', '.*', 'regex')),
  ]),
  host('regex.test', [rule('~/v[0-9]+/.*', 'a'), rule('~/[a-z]+', 'b'), rule('/', 'c')]),
  host('redirect.test', [
    rule('/host', { kind: 'redirect', redirect: { status: 302, host: 'other.test' } }),
    rule('/scheme', { kind: 'redirect', redirect: { status: 301, scheme: 'https' } }),
    rule('/port', { kind: 'redirect', redirect: { status: 307, port: 8443, scheme: 'https' } }),
    rule('/known', { kind: 'redirect', redirect: { status: 308, port: 80 } }),
    rule('/full', { kind: 'redirect', redirect: { status: 303, scheme: 'http', path: { value: '/new?x' } } }),
    rule('/old', {
      kind: 'redirect',
      redirect: { status: 301, scheme: 'http', path: { value: '/new/', from: '/old' } },
    }),
    rule('/root', { kind: 'redirect', redirect: { status: 301, scheme: 'http', path: { value: '/', from: '/root' } } }),
    rule('/', { kind: 'redirect', redirect: { status: 301, scheme: 'http', path: { value: '/all', from: '/' } } }),
  ]),
  host('answers.test', [rule('/500', answer(500)), rule('/503', answer(503))]),
]);

const cases: readonly (readonly [
  what: string,
  host: string,
  path: string,
  want: string,
  headers?: Readonly<Record<string, string>>,
  method?: string,
])[] = [
  ['a host', 'plain.test', '/x', 'a'],
  ['a host in upper case, with port and final dot', 'PLAIN.test.:81', '/', 'a'],
  ['an unknown host', 'unknown.test', '/', '404'],
  ['what follows a slash in a host is no path', 'paths.test/a/b', '/c', '404'],
  ['an exact path', 'paths.test', '/a', 'exact'],
  ['a prefix with a final slash', 'paths.test', '/a/x', 'a'],
  ['the longest prefix', 'paths.test', '/a/b/c', 'b'],
  ['a path that only begins alike', 'paths.test', '/a/bc', 'a'],
  ['an exact path with a slash', 'paths.test', '/slash/', 'exact'],
  ['an exact path with a slash, without it', 'paths.test', '/slash', '404'],
  ['a wildcard of one label', 'a.deep.test', '/', 'deep'],
  ['a wildcard of five labels', 'a.b.c.d.e.deep.test', '/', 'deep'],
  ['the domain of a wildcard', 'deep.test', '/', '404'],
  ['a host below a wildcard', 'exact.deep.test', '/only/x', 'exact'],
  ['another path of a host below a wildcard', 'exact.deep.test', '/', '404'],
  ['a listener without rules below a wildcard', 'none.deep.test', '/', '404'],
  ['a header', 'cond.test', '/', 'b', { 'x-color': 'red' }],
  ['a header and a method', 'cond.test', '/', 'a', { 'X-COLOR': 'red' }, 'PUT'],
  ['another value', 'cond.test', '/', '404', { 'x-color': 'redd' }],
  ['a header of similar name', 'cond.test', '/', '404', { 'xx-color': 'red', 'x-colors': 'red' }],
  [
    'blanks and quotes',
    'cond.test',
    '/',
    'c',
    { 'x-color': Buffer.from('blau "quoted" \\ ;<|= ü%41').toString('latin1') },
  ],
  ['an encoded parameter', 'cond.test', '/?x=1&animal=a+b%26%3Dc&animal=z', 'd'],
  ['the second value of a parameter', 'cond.test', '/?animal=z&animal=a+b%26%3Dc', '404'],
  ['a parameter of similar name', 'cond.test', '/?xanimal=a+b%26%3Dc', '404'],
  ['a long value', 'cond.test', '/', 'e', { 'x-long': long }],
  ['a longer value', 'cond.test', '/', '404', { 'x-long': `${long}x` }],
  ['two patterns', 'cond.test', '/?n=12', 'f', { 'x-re': 'abc x' }],
  ['the second pattern of a header', 'cond.test', '/?n=1x', 'g', { 'x-re': 'abc x' }],
  ['a pattern matches whole values', 'cond.test', '/?n=12', '404', { 'x-re': 'abc xx' }],
  ['the first of two values that differ late', 'more.test', '/', 'a', { 'x-long': `${late}a` }],
  ['the second one', 'more.test', '/', 'b', { 'x-long': `${late}b` }],
  ['a method that HAProxy does not know', 'more.test', '/', 'c', {}, 'PATCH'],
  ['a header with a name of one letter', 'more.test', '/?p=x%2Fy%3Dz', 'd', { m: 'GET' }],
  ['a method instead of it', 'more.test', '/?p=x%2Fy%3Dz', '404'],
  ['a header with any value', 'more.test', '/', 'e', { 'x-any': '1' }],
  ['a parameter with any value', 'more.test', '/?any=1', 'f'],
  ['no header and no parameter', 'more.test', '/', '404', { 'x-another': '1' }],
  ['a method', 'cond.test', '/', 'exact', {}, 'DELETE'],
  ['a pattern of the path', 'regex.test', '/v12/x', 'a'],
  ['another pattern of the path', 'regex.test', '/abc', 'b'],
  ['no pattern of the path', 'regex.test', '/abc/d', 'c'],
  ['the status 500', 'answers.test', '/500', '500'],
  ['the status 503', 'answers.test', '/503', '503'],
  [
    'a redirect to a host, with the port of the listener',
    'redirect.test',
    '/host/x?y=1',
    '302 http://other.test:8080/host/x?y=1',
  ],
  ['a redirect to a scheme', 'redirect.test:81', '/scheme', '301 https://redirect.test/scheme'],
  ['a redirect to a port', 'redirect.test', '/port', '307 https://redirect.test:8443/port'],
  ['a redirect to a known port', 'redirect.test', '/known', '308 http://redirect.test/known'],
  ['a redirect of the whole path', 'redirect.test', '/full/x?y=1', '303 http://redirect.test/new?x?y=1'],
  ['a redirect of a prefix', 'redirect.test', '/old/x?y=1', '301 http://redirect.test/new/x?y=1'],
  ['a redirect of a prefix itself', 'redirect.test', '/old', '301 http://redirect.test/new'],
  ['a redirect of a prefix to the root', 'redirect.test', '/root?y', '301 http://redirect.test/?y'],
  ['a redirect of every path below another', 'redirect.test', '/x', '301 http://redirect.test/all/x'],
];

describe('Listeners in a real HAProxy', () => {
  const world = new World();
  let state: HttpState;
  after(() => world.close());

  before(async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'exact', 'deep'];
    const backends = await Promise.all(
      names.map(async (name) =>
        makeBackend(`be_http:test:${name}`, [makeServer(name, '127.0.0.1', await world.server(name))], { http: {} }),
      ),
    );
    state = makeState({
      settings: await world.settings({ gateways }),
      backends,
      gateways: { hosts, places: new Map([[place, place]]), ports },
    });
    const outcome = await world.engine.start(state);
    assert.deepEqual([outcome.refused, world.problems], [[], []]);
  });

  for (const [what, name, path, want, headers, verb] of cases) {
    it(`${what}: ${want}`, async () => {
      assert.equal(describeAnswer(await get(name, path, headers, verb)), want);
    });
  }

  it('sends the Host header on as it came', async () => {
    const { echo } = await get('Plain.TEST:81', '/');
    assert.equal(echo?.headers.host, 'Plain.TEST:81');
  });

  it('sets no cookie', async () => {
    const { headers } = await get('plain.test', '/');
    assert.equal(headers['set-cookie'], undefined);
  });

  it('distributes requests at random between a backend and an error', async () => {
    const parts = [
      { weight: 1, target: answer(500) },
      { weight: 1, target: rule('/', 'a').target },
    ];
    const [key, split] = host('split.test', [rule('/', { kind: 'split', parts })]);
    await apply({ hosts: new Map([...hosts, [key, split]]) });
    const statuses = await Promise.all(Array.from({ length: 200 }, async () => (await get('split.test', '/')).status));
    const errors = statuses.filter((status) => status === 500).length;
    assert.ok(errors > 50 && errors < 150, `${errors} of 200`);
    await apply({ hosts });
    assert.equal((await get('split.test', '/')).status, 404);
  });

  it('changes hosts, conditions and places without a reload', async () => {
    const { pid } = await world.engine.describe();
    const changed = new Map([
      ...hosts,
      host('cond.test', [rule('/', 'g', header('x-color', 'red')), rule('/new', 'a')]),
      host('*', [rule('/', 'e')]),
    ]);
    changed.delete(`${place}|plain.test`);
    await apply({
      hosts: changed,
      places: new Map([
        [place, place],
        ['81@*', place],
      ]),
    });
    const seen = [
      await get('cond.test', '/', { 'x-color': 'red' }),
      await get('cond.test', '/new', { 'x-color': 'blue' }),
      await get('plain.test', '/'),
      await get('plain.test', '/', {}, 'GET', first + 1),
      await get('plain.test', '/', {}, 'GET', first + 2),
    ].map(describeAnswer);
    assert.deepEqual(seen, ['g', 'a', 'e', 'e', '404']);
    assert.equal((await world.engine.describe()).pid, pid);
  });

  async function apply(change: Partial<HttpState['gateways']>): Promise<void> {
    state = { ...state, gateways: { ...state.gateways, ...change } };
    const outcome = await world.engine.apply(state);
    assert.deepEqual([outcome.refused, [...outcome.waiting]], [[], []]);
  }
});

async function get(
  host: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  method = 'GET',
  port = first,
): Promise<Answer> {
  return await send(
    httpRequest({ host: '127.0.0.1', port, path, method, headers: { host, ...headers }, agent: false }),
  );
}

function describeAnswer({ status, headers, echo }: Answer): string {
  if (echo !== undefined) return echo.server;
  return headers.location === undefined ? String(status) : `${status} ${headers.location}`;
}
