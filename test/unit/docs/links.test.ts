import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, it } from 'mocha';
import { listAnchors, listLinks, listPages, readText } from './pages.ts';

/** What is wrong with the links of a page. */
function findBrokenLinks(page: string, text: string): readonly string[] {
  return listLinks(text).flatMap((link) => {
    if (/^[a-z]+:/.test(link)) return isAddress(link) ? [] : [`${link}: must be a valid https address`];
    const [file = '', anchor] = link.split('#');
    const path = file === '' ? page : normalize(join(dirname(page), decodeURIComponent(file)));
    if (file.startsWith('/') || path.startsWith('..') || !existsSync(path)) return [`${link}: no such file`];
    if (anchor === undefined) return [];
    if (statSync(path).isDirectory() || !path.endsWith('.md')) return [`${link}: anchor of something that is no page`];
    return listAnchors(path === page ? text : readText(path)).has(anchor) ? [] : [`${link}: no such heading`];
  });
}

/** External addresses are checked for their form only: tests have no network. */
function isAddress(link: string): boolean {
  return URL.canParse(link) && new URL(link).protocol === 'https:' && new URL(link).hostname.includes('.');
}

describe('links', () => {
  const pages = listPages();

  it('are looked for on the pages of documentation, manifests and sources', () => {
    for (const page of ['README.md', 'docs/README.md', 'manifests/README.md', 'src/ingress/http/README.md']) {
      assert.ok(pages.includes(page), page);
    }
    assert.ok(pages.flatMap((page) => listLinks(readText(page))).length > 100);
  });

  for (const page of pages) {
    it(`of ${page} lead to files and headings that exist`, () => {
      assert.deepEqual(findBrokenLinks(page, readText(page)), []);
    });
  }

  it('that are broken are found', () => {
    const text = [
      '# A page: `code`, and [more](docs/README.md)',
      '# Twice',
      '# Twice',
      '[1](README.md) [2](#a-page-code-and-more) [3](#twice-1) [4](https://example.com/a) `[not](a-link)`',
      '[5](missing.md) [6](#missing) [7](docs/README.md#missing) [8](https://) [9](http://example.com) [10](/README.md)',
      '[11](hack/test#usage) [12](../outside.md) [a `b` [c]](gone.md "title")',
    ].join('\n');
    assert.deepEqual(
      findBrokenLinks('CONTRIBUTING.md', text).map((line) => line.split(': ')[0]),
      [
        'missing.md',
        '#missing',
        'docs/README.md#missing',
        'https://',
        'http://example.com',
        '/README.md',
        'hack/test#usage',
        '../outside.md',
        'gone.md',
      ],
    );
  });
});
