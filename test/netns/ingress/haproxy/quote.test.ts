import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { after, describe, it } from 'mocha';
import { renderCommand } from '../../../../src/ingress/haproxy/command.ts';
import { planChange } from '../../../../src/ingress/haproxy/difference.ts';
import { freshLayout } from '../../../../src/ingress/haproxy/layout.ts';
import type { HttpState } from '../../../../src/ingress/haproxy/model.ts';
import { networkKeys } from '../../../../src/ingress/haproxy/networks.ts';
import {
  checkHost,
  checkMapValue,
  checkPath,
  quoteArgument,
  quoteHeaderValue,
  quoteWord,
  UnfitValue,
} from '../../../../src/ingress/haproxy/quote.ts';
import { siftState } from '../../../../src/ingress/haproxy/sift.ts';
import { makeBackend, makeServer, makeSite, makeState } from '../../../netns/ingress/haproxy/fixtures.ts';

/** Values that tenants can write, including special characters of grammars. */
const nasty = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc
    .array(
      fc.constantFrom(
        '"',
        "'",
        '%[',
        '%',
        ']',
        '\\',
        '#',
        ' ',
        '\n',
        '\r',
        '\0',
        ';',
        '<<',
        '$',
        '{',
        '}',
        '|',
        'a',
        '/',
        '.',
      ),
      { maxLength: 12 },
    )
    .map((parts) => parts.join('')),
  fc.constantFrom('a'.repeat(65_536), '%[req.hdr(host)]', '%[env(HOME)]', '%%'),
);

/** Whether a value passes, or is refused as one; other errors are faults. */
function passes(check: () => unknown): boolean {
  try {
    check();
    return true;
  } catch (error) {
    assert.ok(error instanceof UnfitValue, String(error));
    return false;
  }
}

describe('Values that tenants choose', () => {
  const folder = mkdtempSync(join(tmpdir(), 'haproxy-quote-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** Whether HAProxy takes rules. */
  function takes(rules: readonly string[]): void {
    const path = join(folder, 'words.cfg');
    const lines = rules.map((rule) => `  ${rule}\n`).join('');
    writeFileSync(
      path,
      `defaults\n  mode http\n  timeout client 1s\n  timeout server 1s\n  timeout connect 1s\nbackend b\n${lines}`,
    );
    const { status, stderr } = spawnSync('/usr/sbin/haproxy', ['-c', '-f', path]);
    // 2: valid, but without a listener.
    assert.ok(status === 0 || status === 2, stderr.toString());
  }

  it('are single words to HAProxy', () => {
    const words = fc.sample(nasty, 300).filter((value) => passes(() => quoteWord(value)) && value.length < 1000);
    takes(words.map((word) => `acl x path -m str -- ${quoteWord(`a${word}`)}`));
  });
  it('are header values to HAProxy, or rejected', () => {
    const values = fc
      .sample(nasty, 300)
      .filter((value) => passes(() => quoteHeaderValue(value)) && value.length < 1000);
    takes(['x', ...values].map((value) => `http-request set-header X-A ${quoteHeaderValue(value)}`));
  });
  it('never turn one command into two, or end a line of a map', () => {
    fc.assert(
      fc.property(nasty, (value) => {
        if (passes(() => quoteArgument(value)))
          assert.doesNotMatch(quoteArgument(value), /[\n\r\0]|(?<!\\)(?:\\\\)*[; <]/);
        if (passes(() => checkMapValue('value', value))) assert.doesNotMatch(value, /[\n\r\0]|^\s|\s$/);
        for (const check of [checkHost, checkPath]) if (passes(() => check(value))) assert.doesNotMatch(value, /\s|\0/);
      }),
    );
  });
  it('are rejected individually: the rest of the state is served', () => {
    fc.assert(
      fc.property(nasty, nasty, nasty, (id, host, text) => {
        const good = makeBackend('be_http:good:one', [makeServer('pod:a', '10.0.0.1', 80)]);
        const http = { cookie: { name: text, secure: false }, hsts: text, rewrite: { prefix: text, target: text } };
        const state: HttpState = makeState({
          backends: [good, makeBackend(id, [makeServer(text, '10.0.0.1', 80)], { http, allowList: [text] })],
          sites: [makeSite('good.test', { backend: good.id }), makeSite(host, { path: text, backend: id })],
          certificates: [{ name: id, pem: text, hosts: [host], http2: true }],
        });
        const sifted = siftState(state).state;
        assert.ok(sifted.backends.has(good.id) && sifted.sites.has('good.test'));
        const empty = makeState({ settings: state.settings });
        const { commands } = planChange({ state: empty, layout: freshLayout(empty) }, sifted);
        for (const line of commands.flatMap(renderCommand))
          assert.doesNotMatch(line.replace(/ <<\n[\s\S]*$/, ''), /[\n\0]/);
      }),
      // Random values rarely meet: such a certificate once rejected all others.
      { examples: [['.', '*', '\0']] },
    );
  });

  const networks: readonly (readonly [text: string, keys: readonly string[]])[] = [
    ['10.1.2.3', ['8:0A010203']],
    ['10.1.2.3/32', ['8:0A010203']],
    ['10.1.2.3/24', ['8:0A0102']],
    ['0.0.0.0/0', ['8:']],
    ['10.1.2.240/27', ['8:0A0102E', '8:0A0102F']],
    ['2001:db8::/32', ['32:20010DB8']],
    ['2001:db8::/31', ['32:20010DB8', '32:20010DB9']],
    ['::/0', ['32:']],
  ];
  for (const [text, keys] of networks) {
    it(`the network ${text} is ${keys[0]}…`, () => assert.deepEqual(networkKeys(text), keys));
  }
  for (const text of ['', '10.0.0', '10.0.0.0/33', 'a.test', '10.0.0.1,10.0.0.2', '::/129', '10.0.0.1 ']) {
    it(`${JSON.stringify(text)} is not a network`, () => assert.throws(() => networkKeys(text), UnfitValue));
  }
});
