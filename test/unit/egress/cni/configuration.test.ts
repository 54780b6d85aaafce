import assert from 'node:assert/strict';
import { decodeConfiguration } from '../../../../src/egress/cni/configuration.ts';
import { CniError } from '../../../../src/egress/cni/error.ts';

describe('decodeConfiguration', () => {
  it('decodes an object', () => {
    assert.deepEqual(decodeConfiguration(' {"name": "x", "ip": {}}\n'), { name: 'x', ip: {} });
  });

  it('does not pollute the prototype of objects', () => {
    decodeConfiguration('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}');
    assert.equal(({} as { polluted?: number }).polluted, undefined);
  });

  const cases: readonly (readonly [name: string, text: string, want: RegExp])[] = [
    [
      'nothing',
      ' \n',
      /^Cannot read the network configuration: standard input is empty; pass the configuration as JSON$/,
    ],
    ['a list', '[{}]', /: standard input must contain a JSON object, not \[\{\}\]$/],
    ['null', 'null', /: standard input must contain a JSON object, not null$/],
    ['half an object', '{"name": ', /: standard input must contain a JSON object: .+/],
    ['a long text', 'x'.repeat(1_000_000), /: standard input must contain a JSON object: .{1,200}$/],
    ['a long list', `[${'1,'.repeat(100_000)}1]`, /not \[1,.{1,80}…$/],
  ];
  for (const [name, text, want] of cases) {
    it(`rejects ${name}`, () => {
      assert.throws(() => decodeConfiguration(text), { name: 'CniError', code: 6, message: want });
    });
  }

  it('does not overflow the stack for deep nesting', () => {
    const depth = 1_000_000;
    const text = `{"name": ${'['.repeat(depth)}${']'.repeat(depth)}}`;
    try {
      assert.deepEqual(Object.keys(decodeConfiguration(text)), ['name']);
    } catch (error) {
      assert.ok(error instanceof CniError, String(error));
    }
  });
});
