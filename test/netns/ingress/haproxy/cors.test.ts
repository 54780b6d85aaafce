import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { after, before, describe, it } from 'mocha';
import type { Cors } from '../../../../src/ingress/haproxy/model.ts';
import { makeBackend, makeServer, makeSite, makeState } from './fixtures.ts';
import { type Answer, send, World } from './world.ts';

const rules: Readonly<Record<string, Partial<Cors>>> = {
  listed: {
    origins: ['https://www.foo.com', 'https://*.bar.com', 'http://*.bar.com:8080'],
    methods: 'GET, PUT',
    headers: 'x-a',
    exposed: 'x-b',
    credentials: true,
    maxAge: 60,
  },
  other: { origins: ['https://other.test'] },
  any: { origins: ['*'], methods: '*', headers: '*', exposed: '*' },
  personal: { origins: ['*'], methods: '*', headers: '*', exposed: '*', credentials: true },
  hosts: { origins: ['https://*'] },
  silent: { origins: [] },
};

const names = [
  'access-control-allow-origin',
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-allow-credentials',
  'access-control-expose-headers',
  'access-control-max-age',
  'vary',
];

describe('Cross-origin requests by the Fetch standard', () => {
  const world = new World();
  after(() => world.close());

  before(async () => {
    const port = await world.server('a');
    const ids = Object.keys(rules);
    const outcome = await world.engine.start(
      makeState({
        settings: await world.settings(),
        backends: ids.map((id) =>
          makeBackend(`be_http:t:${id}`, [makeServer('a', '127.0.0.1', port)], {
            http: {
              cors: {
                origins: [],
                methods: '',
                headers: '',
                credentials: false,
                maxAge: 5,
                byFetch: true,
                ...rules[id],
              },
            },
          }),
        ),
        sites: ids.map((id) => makeSite(`${id}.test`, { backend: `be_http:t:${id}` })),
      }),
    );
    assert.deepEqual([outcome.refused, world.problems], [[], []]);
  });

  async function ask(id: string, method: string, headers: Record<string, string>): Promise<Answer> {
    const host = `${id}.test`;
    const words = { host: '127.0.0.1', port: world.httpPort, method, headers: { host, ...headers }, agent: false };
    return await send(httpRequest({ ...words }));
  }

  /** What the answer says of cross-origin requests, in the order of the names. */
  function listed({ headers }: Answer): readonly unknown[] {
    return names.map((name) => headers[name]);
  }

  const none = undefined;

  for (const [title, id, method, headers, status, wanted] of [
    [
      'answers a preflight request of a listed origin',
      'listed',
      'OPTIONS',
      { origin: 'https://www.foo.com', 'access-control-request-method': 'PUT' },
      204,
      ['https://www.foo.com', 'GET, PUT', 'x-a', 'true', 'x-b', '60', 'Origin'],
    ],
    [
      'allows origins any number of labels below a wildcard, with the port',
      'listed',
      'GET',
      { origin: 'http://a.b.bar.com:8080' },
      200,
      ['http://a.b.bar.com:8080', none, none, 'true', 'x-b', none, 'Origin'],
    ],
    ...[
      'https://bar.com',
      'https://evilbar.com',
      'http://a.bar.com',
      'https://a.bar.com:8080',
      'https://a.bar.com.evil.com',
      'https://evil.com/.bar.com',
      'https://www.foo.com.evil.com',
      'https://other.test',
      'null',
      `https://${'a'.repeat(400)}.bar.com`,
    ].map(
      (origin) =>
        [
          `answers a preflight request of ${origin.slice(0, 40)} without permission`,
          'listed',
          'OPTIONS',
          { origin, 'access-control-request-method': 'PUT' },
          204,
          [none, none, none, none, none, none, 'Origin'],
        ] as const,
    ),
    [
      'forwards requests of other origins without permission',
      'listed',
      'GET',
      { origin: 'https://other.test' },
      200,
      [none, none, none, none, none, none, 'Origin'],
    ],
    [
      'forwards an OPTIONS request that is no preflight',
      'listed',
      'OPTIONS',
      { origin: 'https://www.foo.com' },
      200,
      none,
    ],
    [
      'answers with wildcards without credentials',
      'any',
      'OPTIONS',
      { origin: 'https://a.test', 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-1' },
      204,
      ['*', '*', '*', none, '*', '5', none],
    ],
    [
      'repeats what the request asks for with credentials',
      'personal',
      'OPTIONS',
      { origin: 'https://a.test:1', 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-1' },
      204,
      ['https://a.test:1', 'PUT', 'x-1', 'true', none, '5', 'Origin'],
    ],
    [
      'leaves out headers that the preflight request does not ask for',
      'personal',
      'OPTIONS',
      { origin: 'https://a.test', 'access-control-request-method': 'PUT' },
      204,
      ['https://a.test', 'PUT', none, 'true', none, '5', 'Origin'],
    ],
    [
      'allows every host of a scheme, and no other port',
      'hosts',
      'GET',
      { origin: 'https://a.b' },
      200,
      ['https://a.b', none, none, none, none, none, 'Origin'],
    ],
    [
      'does not allow another scheme',
      'hosts',
      'GET',
      { origin: 'http://a.b' },
      200,
      [none, none, none, none, none, none, 'Origin'],
    ],
    [
      'allows no origin without a list',
      'silent',
      'OPTIONS',
      { origin: 'https://a.b', 'access-control-request-method': 'PUT' },
      204,
      [none, none, none, none, none, none, 'Origin'],
    ],
  ] as const) {
    it(title, async () => {
      const answer = await ask(id, method, headers);
      assert.equal(answer.status, status);
      if (wanted !== undefined) {
        const seen = listed(answer);
        // With credentials, "*" becomes the names of the response's own headers.
        if (id === 'personal') assert.notEqual(seen[4], '*');
        assert.deepEqual(seen.with(4, id === 'personal' ? none : seen[4]), wanted);
      }
    });
  }

  it('exposes all headers of a response by name with credentials', async () => {
    const headers = { origin: 'https://a.test', 'x-answer': JSON.stringify({ 'x-own': '1' }) };
    const exposed = (await ask('personal', 'GET', headers)).headers['access-control-expose-headers'] ?? '';
    assert.ok(exposed.split(',').includes('x-own'), exposed);
  });
});
