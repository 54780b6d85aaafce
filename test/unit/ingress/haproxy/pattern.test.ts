import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { checkPattern } from '../../../../src/ingress/haproxy/pattern.ts';

function isAllowed(pattern: string): boolean {
  try {
    return checkPattern(pattern) === pattern;
  } catch {
    return false;
  }
}

describe('checkPattern', () => {
  const good = [
    '/v[0-9]+/.*',
    '/(?:a|b)/[^/]+/x',
    'a{2,5}b?',
    '[a-z0-9._-]+@[a-z]+',
    '^/x$',
    String.raw`\d+\.\d+\[\]`,
    '.*foo.*',
    '(a|bc)+d',
    '(/[a-z]+)?/x',
    'https?://(?:www[.])?x',
    '[.]x[:a][=]',
    '.*/a/.*/b/.*',
    '[^/]*/[^/]*/[^/]*',
    '',
  ];
  for (const pattern of good) it(`allows ${pattern}`, () => assert.equal(checkPattern(pattern), pattern));

  const bad = [
    '(a+)+',
    '(a*)*b',
    '(?:a|b*)+',
    '(a?){50}',
    '.*.*.*x',
    '[^a]*[^a]*[^a]*',
    '(?:[^a]*)?(?:[^a]*)?(?:[^a]*)?',
    '[^a]*[^a]*[^a]{0,100}',
    'a?a?a?a?',
    '(a|a)(a|a)(a|a)',
    '(a|ab)+',
    '(aa?)+',
    '(a{1,9}){9}',
    'a{1,9}a{1,9}a{1,9}a{1,9}',
    '$?',
    '.*a.*b.*c.*',
    '(.)\\1',
    '(?=a)',
    '(?i)a',
    '(?#x)',
    'a**',
    'a++',
    '*a',
    'a)',
    '(a',
    'a)|(b',
    '[a',
    '[z-a]',
    '[[:alpha:]]',
    '[:a:]',
    '[.-.]',
    String.raw`[=\]=]`,
    '[::]',
    'a{5,2}',
    'a{1000}',
    '(a{100}){100}',
    'x\\',
    '\\Qx',
    '\\x41',
    'ä',
    'a\nb',
    'a{,3}',
    'x'.repeat(1025),
  ];
  for (const pattern of bad)
    it(`rejects ${JSON.stringify(pattern.slice(0, 20))}`, () => assert.ok(!isAllowed(pattern)));

  it('allows only patterns that are valid and fast in JavaScript', () => {
    const part = fc.constantFrom(...'ab.*+?(|)[]^-{}12,\\d$ #'.split(''), '(?:', '[^', '{1,2}', '.*', 'a+');
    const pattern = fc.array(part, { maxLength: 14 }).map((parts) => parts.join(''));
    const subject = 'ab'.repeat(500);
    fc.assert(
      fc.property(pattern, (one) => {
        if (!isAllowed(one)) return;
        new RegExp(`^(?:${one})$`).test(`${subject}!`);
      }),
      { numRuns: 1000 },
    );
  });

  it('allows only patterns that PCRE2 accepts', () => {
    const part = fc.constantFrom(...'ab.*+?(|)[]^-{}12,d$ #:'.split(''), '(?:', '[^', '{1,2}', '\\d', '\\.', '\\-');
    const pattern = fc.array(part, { maxLength: 10 }).map((parts) => parts.join(''));
    const allowed = fc.sample(pattern, { numRuns: 5000, seed: 7 }).filter(isAllowed).slice(0, 60);
    assert.ok(allowed.length === 60);
    // grep -P compiles every line of its pattern by itself, and fails with 2 if one is invalid.
    for (const one of allowed) {
      try {
        execFileSync('grep', ['-P', `^x;(?:${one})$`], { input: 'x', stdio: 'pipe' });
      } catch (error) {
        assert.equal((error as { status?: number }).status, 1, one);
      }
    }
  });
});
