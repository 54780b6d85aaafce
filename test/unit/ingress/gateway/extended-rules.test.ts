import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { shareOf } from '../../../../src/ingress/gateway/route.ts';
import type { Permit } from '../../../../src/ingress/gateway/rule-groups.ts';
import { parseHttpRoute, type SiteRoute } from '../../../../src/ingress/gateway/site-route.ts';
import { translateRoute } from '../../../../src/ingress/gateway/translate.ts';
import { listUsed } from '../../../../src/ingress/http/site-uses.ts';
import type { SiteDemand } from '../../../../src/ingress/intent/site-request.ts';

function parse(rule: object): SiteRoute {
  const route = {
    metadata: { namespace: 'shop', name: 'r', uid: 'u', creationTimestamp: '2026-01-01T00:00:00Z', generation: 1 },
    spec: { parentRefs: [{ name: 'gw' }], rules: [rule] },
  };
  const parsed = parseHttpRoute(route, 'HTTPRoute');
  assert.ok(parsed.ok);
  return parsed.value;
}

function translate(rule: object, forbidden: readonly string[] = []): SiteDemand {
  const route = parse(rule);
  assert.deepEqual(route.dropped, []);
  const permit: Permit = (backends) =>
    backends.map(shareOf).map((share) => (forbidden.includes(share.service) ? { ...share, isForbidden: true } : share));
  const places = [{ listener: 'l', hostname: 'a.test' }];
  const [request] = translateRoute(route, { name: '', permit, places });
  assert.ok(request?.demand.ok);
  return request.demand.value;
}

const web = { name: 'web', port: 80 };
const mirror = (more: object = {}, name = 'copy') => ({
  type: 'RequestMirror',
  requestMirror: { backendRef: { name, port: 80 }, ...more },
});
const cors = (more: object) => ({ filters: [{ type: 'CORS', cors: more }], backendRefs: [web] });
const modifier = (words: object) => ({ type: 'RequestHeaderModifier', requestHeaderModifier: words });

const redirect = { type: 'RequestRedirect', requestRedirect: { port: 8080 } };
/** Only a rule has CORS. */
const skippedByRedirect: readonly (readonly [name: string, filter: object])[] = [
  ['CORS', { type: 'CORS', cors: {} }],
  ['RequestMirror', mirror()],
  ['ResponseHeaderModifier', { type: 'ResponseHeaderModifier', responseHeaderModifier: { remove: ['x'] } }],
];

describe('Rules with extended features', () => {
  const faults: readonly (readonly [title: string, rule: object, fault: RegExp])[] = [
    [
      'an origin with a path',
      cors({ allowOrigins: ['https://a.test/'] }),
      /cors\.allowOrigins\[0\] .*must be "\*", or scheme/,
    ],
    ['an origin of another scheme', cors({ allowOrigins: ['ftp://a.test'] }), /allowOrigins\[0\]/],
    ['a wildcard that is not the first label', cors({ allowOrigins: ['https://a.*.test'] }), /allowOrigins\[0\]/],
    ['an origin that breaks map keys', cors({ allowOrigins: ['https://a|b'] }), /allowOrigins\[0\]/],
    ['port 0', cors({ allowOrigins: ['https://a.test:0'] }), /allowOrigins\[0\]/],
    ['a method with a line end', cors({ allowMethods: ['GET\n'] }), /allowMethods\[0\]/],
    ['an age of zero', cors({ maxAge: 0 }), /maxAge 0: must be a positive number/],
    [
      'CORS of one backend',
      { backendRefs: [{ ...web, filters: [{ type: 'CORS', cors: {} }] }] },
      /backendRefs\[0\]\.filters\[0\]\.type .*must be one of RequestHeaderModifier/,
    ],
    ['a percentage above 100', { filters: [mirror({ percent: 101 })], backendRefs: [web] }, /percent 101/],
    [
      'percent and fraction',
      { filters: [mirror({ percent: 1, fraction: { numerator: 1 } })], backendRefs: [web] },
      /fraction .*must not be set together with percent/,
    ],
    [
      'a fraction above one',
      { filters: [mirror({ fraction: { numerator: 3, denominator: 2 } })], backendRefs: [web] },
      /fraction/,
    ],
    [
      'a redirect with a mirror',
      { filters: [{ type: 'RequestRedirect', requestRedirect: {} }, mirror()] },
      /RequestRedirect and RequestMirror exclude each other/,
    ],
    [
      'a rewrite of the rule and of a backend',
      {
        filters: [{ type: 'URLRewrite', urlRewrite: { hostname: 'a.test' } }],
        backendRefs: [{ ...web, filters: [{ type: 'URLRewrite', urlRewrite: { hostname: 'b.test' } }] }],
      },
      /backendRefs\[0\]\.filters: URLRewrite and RequestRedirect of the rule and of a backend exclude each other/,
    ],
    ...skippedByRedirect.map(([name, filter]): readonly [string, object, RegExp] => [
      `${name} of the rule, which the redirect of a backend would skip`,
      { filters: [filter], backendRefs: [web, { ...web, filters: [redirect] }] },
      new RegExp(`backendRefs\\[1\\]\\.filters: RequestRedirect and ${name} of the rule and of a backend exclude each`),
    ]),
    ...skippedByRedirect
      .slice(1)
      .map(([name, filter]): readonly [string, object, RegExp] => [
        `${name} of a backend, which the redirect of the rule would skip`,
        { filters: [redirect], backendRefs: [{ ...web, filters: [filter] }] },
        new RegExp(
          `backendRefs\\[0\\]\\.filters: RequestRedirect and ${name} of the rule and of a backend exclude each`,
        ),
      ]),
    [
      'a prefix rewrite of a backend behind an exact path',
      {
        matches: [{ path: { type: 'Exact', value: '/a' } }],
        backendRefs: [
          {
            ...web,
            filters: [
              { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } } },
            ],
          },
        ],
      },
      /ReplacePrefixMatch needs matches of type PathPrefix/,
    ],
    [
      'a duration without unit',
      { timeouts: { request: '5' }, backendRefs: [web] },
      /timeouts\.request .*must be a duration/,
    ],
    [
      'a try longer than the whole',
      { timeouts: { request: '1s', backendRequest: '1001ms' }, backendRefs: [web] },
      /backendRequest .*must not be longer than request/,
    ],
    ['a backoff', { retry: { backoff: '1s' }, backendRefs: [web] }, /retry\.backoff .*HAProxy retries at once/],
    [
      'a status that HAProxy cannot repeat',
      { retry: { codes: [429] }, backendRefs: [web] },
      /retry\.codes 429: must be one of/,
    ],
    [
      'retries that do not fit into the request timeout',
      { retry: { attempts: 2 }, timeouts: { request: '2s', backendRequest: '1s' }, backendRefs: [web] },
      /with 2 retries, backendRequest must be set to at most 1\/3 of request/,
    ],
  ];

  for (const [title, rule, fault] of faults) {
    it(`rejects ${title}`, () => {
      const { dropped, rules, refusal } = parse(rule);
      assert.match(dropped.join(), fault);
      assert.ok(rules.every(({ isBroken }) => isBroken));
      assert.ok(refusal !== undefined);
    });
  }

  it('reads CORS with the defaults of the API, and without the well-known port of an origin', () => {
    const { matches } = translate(
      cors({ allowOrigins: ['https://A.test:443', 'http://*.b.test:8080'], allowMethods: ['*', 'GET'] }),
    );
    assert.deepEqual(matches[0]?.filters.cors, {
      byFetch: true,
      origins: ['https://a.test', 'http://*.b.test:8080'],
      methods: '*',
      headers: '',
      credentials: false,
      maxAge: 5,
    });
  });

  for (const [written, wanted] of [
    [{}, [100, 100]],
    [{ percent: 20 }, [20, 100]],
    [{ fraction: { numerator: 1 } }, [1, 100]],
    [{ fraction: { numerator: 1, denominator: 3 } }, [1, 3]],
  ] as const) {
    it(`mirrors ${wanted.join('/')} of the requests for ${JSON.stringify(written)}`, () => {
      const { matches } = translate({ filters: [mirror(written)], backendRefs: [web] });
      const [only] = matches[0]?.filters.mirrors ?? [];
      assert.deepEqual([only?.numerator, only?.denominator, only?.share.service], [...wanted, 'copy']);
    });
  }

  it('drops a mirror that the route may not use, and keeps the others', () => {
    const { matches } = translate({ filters: [mirror({}, 'secret'), mirror()], backendRefs: [web] }, ['secret']);
    assert.deepEqual(
      matches[0]?.filters.mirrors?.map(({ share }) => share.service),
      ['copy'],
    );
  });

  it('lists the Services of mirrors among those that a request uses and that the status resolves', () => {
    const rule = { filters: [mirror()], backendRefs: [{ ...web, filters: [mirror({}, 'own')] }] };
    assert.deepEqual(
      parse(rule).backends.map(({ service }) => service),
      ['web', 'copy', 'own'],
    );
    const owner = { meta: { namespace: 'shop' } } as never;
    const used = listUsed({ owner, demand: { ok: true, value: translate(rule) } } as never);
    assert.deepEqual(new Set(used), new Set(['shop/web', 'shop/copy', 'shop/own']));
  });

  it('gives backends with filters groups of their own, and the others one', () => {
    const { matches, groups } = translate({
      filters: [modifier({ set: [{ name: 'X-A', value: 'rule' }], add: [{ name: 'X-B', value: '1' }] })],
      backendRefs: [
        { ...web, weight: 3 },
        { ...web, name: 'other', weight: 2 },
        {
          ...web,
          name: 'own',
          weight: 5,
          filters: [
            modifier({ set: [{ name: 'x-a', value: 'own' }], add: [{ name: 'x-b', value: '2' }], remove: ['x-c'] }),
          ],
        },
      ],
    });
    assert.deepEqual(
      matches.map(({ group }) => group),
      [0],
    );
    const [first, usual, own] = groups;
    assert.deepEqual(first?.parts, [
      { weight: 5, group: 1 },
      { weight: 5, group: 2 },
    ]);
    assert.deepEqual(
      [usual, own].map((group) => group?.shares.map(({ service }) => service)),
      [['web', 'other'], ['own']],
    );
    assert.deepEqual(own?.own?.filters.requestEdits, {
      set: [{ name: 'x-a', value: 'own' }],
      add: [{ name: 'X-B', value: '1, 2' }],
      remove: ['x-c'],
    });
  });

  it('adds cookies of a rule and its backend as separate lines, and joins other values', () => {
    const response = (words: object) => ({ type: 'ResponseHeaderModifier', responseHeaderModifier: words });
    const merge = (first: object, second: object) =>
      translate({
        filters: [modifier(first), response(first)],
        backendRefs: [{ ...web, filters: [modifier(second), response(second)] }],
      }).groups[1]?.own?.filters;
    const add = (name: string, value: string) => ({ add: [{ name, value }] });
    const none = { set: [], add: [], remove: [] };
    // A response passes the filters of the backend first.
    assert.deepEqual(merge(add('Set-Cookie', 'a=1'), add('set-cookie', 'b=2'))?.responseEdits, {
      ...none,
      add: [
        { name: 'set-cookie', value: 'b=2' },
        { name: 'Set-Cookie', value: 'a=1' },
      ],
    });
    assert.deepEqual(merge(add('Set-Cookie', 'a=1'), { set: [{ name: 'set-cookie', value: 'b=2' }] })?.responseEdits, {
      ...none,
      set: [{ name: 'set-cookie', value: 'b=2' }],
      add: [{ name: 'Set-Cookie', value: 'a=1' }],
    });
    assert.deepEqual(merge(add('Cookie', 'a=1'), add('cookie', 'b=2'))?.requestEdits, {
      ...none,
      add: [{ name: 'Cookie', value: 'a=1; b=2' }],
    });
    assert.deepEqual(merge(add('Vary', 'a'), add('vary', 'b'))?.responseEdits, {
      ...none,
      add: [{ name: 'vary', value: 'b, a' }],
    });
  });

  it('gives each path its own group if a filter replaces the prefix', () => {
    const path = (value: string) => ({ path: { type: 'PathPrefix', value } });
    const urlRewrite = { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' } };
    const { matches, groups } = translate({
      matches: [path('/a'), path('/b'), path('/a')],
      filters: [{ type: 'URLRewrite', urlRewrite }],
      backendRefs: [web],
    });
    assert.deepEqual(
      matches.map(({ group }) => group),
      [0, 1, 0],
    );
    assert.deepEqual(
      groups.map(({ shares }) => shares.length),
      [1, 1],
    );
  });

  for (const [written, wanted] of [
    [{ timeouts: { request: '0s', backendRequest: '0s' } }, undefined],
    [{ timeouts: { request: '1m30s' } }, { whole: 90_000 }],
    [{ timeouts: { request: '1h', backendRequest: '500ms' } }, { whole: 3_600_000, attempt: 500 }],
    [{ retry: {} }, { retry: { attempts: 1, codes: [] } }],
    [
      { retry: { attempts: 0, codes: [503] }, timeouts: { request: '2s' } },
      { whole: 2000, retry: { attempts: 0, codes: [503] } },
    ],
    [
      { retry: { attempts: 0 }, timeouts: { request: '2s', backendRequest: '1500ms' } },
      { whole: 2000, attempt: 1500, retry: { attempts: 0, codes: [] } },
    ],
    [
      { retry: { attempts: 2, codes: [500, 503] }, timeouts: { backendRequest: '1s' } },
      { attempt: 1000, retry: { attempts: 2, codes: [500, 503] } },
    ],
  ] as const) {
    it(`reads ${JSON.stringify(written)}`, () => {
      assert.deepEqual(translate({ ...written, backendRefs: [web] }).groups[0]?.exchange, wanted);
    });
  }
});
