import assert from 'node:assert/strict';
import { isExpression } from '../../../../src/base/read/expression.ts';
import { unquoteFormat } from '../../../../src/ingress/http/format-quotes.ts';

const cases: readonly (readonly [name: string, input: string, want: string])[] = [
  [
    'quoted as OpenShift’s operator does',
    '"%{+X}o %ci:%cp_%fi:%fp_%Ts_%rt:%pid"',
    '%{+X}o %ci:%cp_%fi:%fp_%Ts_%rt:%pid',
  ],
  ['with escaped spaces, as in a configuration', '%{+X}o\\ %ci:%cp', '%{+X}o %ci:%cp'],
  [
    'of JSON, quoted',
    String.raw`"{\"client\":\"%ci\",\"path\":\"%[capture.req.uri,json('utf8s')]\"}"`,
    `{"client":"%ci","path":"%[capture.req.uri,json('utf8s')]"}`,
  ],
  ['of JSON, without outer quotes', '{"client":"%ci"}', '{"client":"%ci"}'],
  ['with a backslash that escapes nothing', String.raw`%[url,regsub(\d,x)]`, String.raw`%[url,regsub(\d,x)]`],
  ['with a quoted backslash', String.raw`"a\\b"`, 'a\\b'],
  ['with a tab and a code point', String.raw`"a\tb\u00a0c\x41"`, 'a\tb\u00a0cA'],
];

describe('A format of OpenShift’s router', () => {
  for (const [name, input, want] of cases) {
    it(`${name} becomes the text that HAProxy uses`, () => assert.equal(unquoteFormat(input), want));
  }
});

describe('A regular expression for HAProxy', () => {
  for (const [text, want] of [
    ['(?:CN=a|CN=b)', true],
    ['(?:(?i)cn=a)', true],
    ['(?P<name>a)', true],
    ['a(', false],
    ['[z-a]', false],
  ] as const) {
    it(`${text} is ${want ? 'accepted' : 'rejected'}`, () => assert.equal(isExpression(text), want));
  }
});
