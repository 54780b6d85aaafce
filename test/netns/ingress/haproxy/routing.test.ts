import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { makeBackend, makeServer, makeSite, makeState } from './fixtures.ts';
import { World } from './world.ts';

/** Which backend answers, or what else comes: a status with where it leads. */
const cases: readonly (readonly [what: string, host: string, path: string, plain: string, secure: string])[] = [
  ['a host without paths has every path', 'whole.test', '/any/thing', 'whole', 'whole'],
  ['upper case, port and final dot do not count', 'WHOLE.test.:8080', '/', 'whole', 'whole'],
  ['what follows a slash in a host is no path', 'paths.test/a', '/x', '503', '503'],
  ['…and does not change the host', 'paths.test/x', '/a', 'a', 'a'],
  ['…nor hide a port', 'paths.test:80/x', '/a', 'a', 'a'],
  ['two final dots are another host', 'whole.test..', '/', '503', '503'],
  ['a host without an owner', 'nobody.test', '/', '503', '503'],
  ['the longest path decides', 'paths.test', '/a/b/c', 'ab', 'ab'],
  ['a path is itself', 'paths.test', '/a', 'a', 'a'],
  ['a path has what is below it', 'paths.test', '/a/x', 'a', 'a'],
  ['a path does not have what only begins alike', 'paths.test', '/ab', '503', '503'],
  ['a path is case-sensitive', 'paths.test', '/A', '503', '503'],
  ['the query does not count', 'paths.test', '/a?x=/a/b', 'a', 'a'],
  ['a path that ends in a slash is not itself', 'slash.test', '/d', '503', '503'],
  ['a path that ends in a slash has its slash', 'slash.test', '/d/', 'd', 'd'],
  ['a path that ends in a slash has what is below', 'slash.test', '/d/x', 'd', 'd'],
  ['both forms: the path itself goes to the one without slash', 'both.test', '/d', 'plain-d', 'plain-d'],
  ['both forms: below goes to the one with slash', 'both.test', '/d/x', 'slash-d', 'slash-d'],
  ['slashes only are no path', 'slashes.test', '/x', 'slashes', 'slashes'],
  ['characters of regular expressions are literal', 'literal.test', '/a(.*[', 'literal', 'literal'],
  ['…and match nothing else', 'literal.test', '/a(xx[', '503', '503'],
  ['redirect', 'redirect.test', '/x?y=1', '302 https://redirect.test/x?y=1', 'redirected'],
  ['a redirect cuts the port', 'redirect.test:8080', '/', '302 https://redirect.test/', 'redirected'],
  ['a longer path undoes a redirect', 'undone.test', '/open/x', 'open', 'open'],
  ['…elsewhere it holds', 'undone.test', '/x', '302 https://undone.test/x', 'redirected'],
  [
    'a longer redirect below a served path',
    'deeper.test',
    '/login/now',
    '302 https://deeper.test/login/now',
    'redirected',
  ],
  ['a policy of none: https only', 'none.test', '/', '503', 'none'],
  ['a longer path of none falls back to a shorter one that is served', 'fallback.test', '/none/x', 'whole', 'none'],
  ['a wildcard has one label below', 'any.wild.test', '/', 'wild', 'wild'],
  ['a wildcard has no two labels below', 'a.b.wild.test', '/', '503', '503'],
  ['a wildcard does not have its parent', 'wild.test', '/', '503', '503'],
  ['a plain host beats a wildcard', 'plain.wild.test', '/p/x', 'p', 'p'],
  ['…but not where its paths do not match', 'plain.wild.test', '/q', 'wild', 'wild'],
  ['a host of none falls to the wildcard’s served paths', 'none.wild.test', '/', 'wild', 'none'],
  ['…not to its redirects', 'none.wildredirect.test', '/', '503', 'none'],
  ['…which hold for others', 'x.wildredirect.test', '/', '302 https://x.wildredirect.test/', 'redirected'],
  ['the empty part of a slash path falls to the wildcard', 'slash.wild.test', '/d', 'wild', 'wild'],
];

describe('Hosts and paths in a real HAProxy', () => {
  const world = new World();
  after(() => world.close());

  before(async () => {
    const names = [...new Set(cases.flatMap((each) => each.slice(3)))].filter((name) => /^[a-z-]+$/.test(name));
    const ids = new Map(names.map((name) => [name, `be_http:test:${name}`]));
    const backends = await Promise.all(
      [...ids].map(async ([name, id]) => makeBackend(id, [makeServer(name, '127.0.0.1', await world.server(name))])),
    );
    const to = (name: string): { backend: string } => ({ backend: ids.get(name) ?? '' });
    const redirect = { plain: 'redirect', ...to('redirected') } as const;
    const none = { plain: 'none', ...to('none') } as const;
    const sites = [
      makeSite('whole.test', to('whole')),
      makeSite('paths.test', { path: '/a', ...to('a') }, { path: '/a/b', ...to('ab') }),
      makeSite('slash.test', { path: '/d/', ...to('d') }),
      makeSite('both.test', { path: '/d/', ...to('slash-d') }, { path: '/d', ...to('plain-d') }),
      makeSite('slashes.test', { path: '//', ...to('slashes') }),
      makeSite('literal.test', { path: '/a(.*[', ...to('literal') }),
      makeSite('redirect.test', redirect),
      makeSite('undone.test', redirect, { path: '/open', ...to('open') }),
      makeSite('deeper.test', to('whole'), { path: '/login', ...redirect }),
      makeSite('none.test', none),
      makeSite('fallback.test', to('whole'), { path: '/none', ...none }),
      makeSite('*.wild.test', to('wild')),
      makeSite('plain.wild.test', { path: '/p', ...to('p') }),
      makeSite('none.wild.test', none),
      makeSite('slash.wild.test', { path: '/d/', ...to('d') }),
      makeSite('*.wildredirect.test', redirect),
      makeSite('none.wildredirect.test', none),
    ];
    const outcome = await world.engine.start(makeState({ settings: await world.settings(), sites, backends }));
    assert.deepEqual(outcome.refused, []);
  });

  for (const [what, host, path, plain, secure] of cases) {
    it(what, async () => {
      const answers = [await world.get(host, path), await world.getSecure(host, path, {}, { servername: 'x.test' })];
      const said = answers.map(
        ({ status, echo, headers }) =>
          echo?.server ?? [status, headers.location].filter((part) => part !== undefined).join(' '),
      );
      assert.deepEqual(said, [plain, secure]);
    });
  }
});
