import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Site } from '../../../../src/ingress/haproxy/model.ts';
import { absent, mark, plainEntries, secureEntries } from '../../../../src/ingress/haproxy/paths.ts';

/** A site whose paths are each served by a backend of the same name. */
function siteOf(paths: readonly string[]): Site {
  return { host: 'a.test', paths: paths.map((path) => ({ path, plain: 'serve', secure: true, backend: path })) };
}

/** Paths of slashes only are no path. */
function fold(path: string): string {
  return /^\/*$/.test(path) ? '' : path;
}

function byLength(one: string, other: string): number {
  return other.length - one.length;
}

/** Whether a path holds for a request, as OpenShift's regular expressions say it. */
function holds(path: string, request: string): boolean {
  if (/^\/*$/.test(path)) return true;
  return path.endsWith('/') ? request.startsWith(path) : request === path || request.startsWith(`${path}/`);
}

/** A site with exact paths and prefixes. */
function mixedSite(exact: readonly string[], prefixes: readonly string[]): Site {
  const { host, paths } = siteOf(prefixes);
  const whole = exact.map((path) => ({ path, exact: true as const, secure: true, backend: `=${path}` }));
  return { host, paths: [...whole, ...paths] };
}

describe('Paths of a host as keys', () => {
  const part = fc.constantFrom('/', '/a', '/b', '/ab', '//');
  const path = fc.array(part, { maxLength: 5 }).map((some) => some.join(''));
  const paths = fc.uniqueArray(path, { maxLength: 6, selector: fold });

  it('lead from the longest prefix of a request to the longest matching path', () => {
    fc.assert(
      fc.property(paths, path, (some, request) => {
        const entries = secureEntries(siteOf(some), ({ backend }) => `to ${backend}`);
        const asked = `a.test${request}/${mark}`;
        const [key = ''] = [...entries.keys()].filter((one) => asked.startsWith(one)).toSorted(byLength);
        const [want] = some
          .filter((one) => holds(one, request))
          .toSorted((one, other) => byLength(fold(one), fold(other)));
        assert.equal(entries.get(key) ?? absent, want === undefined ? absent : `to ${want}`);
      }),
      { numRuns: 1000 },
    );
  });

  it('lead to an exact path only from that path, which takes precedence', () => {
    const exact = fc.uniqueArray(
      path.filter((one) => one.startsWith('/')),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(exact, paths, path, (whole, some, request) => {
        const entries = secureEntries(mixedSite(whole, some), ({ backend }) => `to ${backend}`);
        const asked = `a.test${request}/${mark}`;
        const [key = ''] = [...entries.keys()].filter((one) => asked.startsWith(one)).toSorted(byLength);
        const [longest] = some
          .filter((one) => holds(one, request))
          .toSorted((one, other) => byLength(fold(one), fold(other)));
        const want = whole.includes(request) ? `=${request}` : longest;
        assert.equal(entries.get(key) ?? absent, want === undefined ? absent : `to ${want}`);
      }),
      { numRuns: 1000 },
    );
  });

  // Work that grows with the square of the paths would run into the time limit.
  it('are computed for 20,000 paths', () => {
    const site = siteOf(Array.from({ length: 20_000 }, (_, i) => `/p/${i}`));
    assert.equal(plainEntries(site, ({ backend }) => backend).get('a.test/p/19999/'), '/p/19999');
  }).timeout(20_000);
});
