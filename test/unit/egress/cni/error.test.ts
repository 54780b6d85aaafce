import assert from 'node:assert/strict';
import { CniError, describeProblems, errorCodes, formatError, toCniError } from '../../../../src/egress/cni/error.ts';

describe('formatError', () => {
  it('writes a CNI error object', () => {
    const error = new CniError(errorCodes.invalidNetworkConfig, 'Invalid', 'one\ntwo');
    assert.deepEqual(JSON.parse(formatError('1.0.0', error)), {
      cniVersion: '1.0.0',
      code: 7,
      msg: 'Invalid',
      details: 'one\ntwo',
    });
  });

  it('omits empty details', () => {
    assert.deepEqual(JSON.parse(formatError('1.1.0', new CniError(errorCodes.ioFailure, 'm'))), {
      cniVersion: '1.1.0',
      code: 5,
      msg: 'm',
    });
  });

  it('appends causes that the message does not repeat', () => {
    const root = new Error('EPERM');
    const cause = new Error('netlink: EPERM', { cause: root });
    const error = new CniError(errorCodes.kernelRefused, 'Cannot add link: netlink: EPERM', 'master eth1', { cause });
    assert.equal(JSON.parse(formatError('1.1.0', error)).details, 'master eth1');
    const other = new CniError(errorCodes.kernelRefused, 'Cannot add link', '', { cause });
    assert.equal(JSON.parse(formatError('1.1.0', other)).details, 'caused by: netlink: EPERM\ncaused by: EPERM');
  });

  it('ends for circular causes', () => {
    const cause = new Error('round');
    cause.cause = cause;
    const error = new CniError(errorCodes.internal, 'm', '', { cause });
    assert.equal(JSON.parse(formatError('1.1.0', error)).details.split('\n').length, 8);
  });

  it('keeps a message that just fits', () => {
    const msg = 'x'.repeat(1024);
    assert.equal(JSON.parse(formatError('1.1.0', new CniError(errorCodes.internal, msg))).msg, msg);
  });

  it('shortens messages and keeps them on one line', () => {
    const written = JSON.parse(
      formatError('1.1.0', new CniError(errorCodes.internal, `a\nb${'x'.repeat(100_000)}`, 'y'.repeat(100_000))),
    );
    assert.equal(written.msg.length, 1024);
    assert.equal(written.msg.slice(0, 8), 'a\\u000ab');
    assert.equal(written.details.length, 8192);
  });
});

describe('describeProblems', () => {
  const problem = { path: 'ip.gateway', value: '"x"', cure: 'must be an address' };

  it('mentions a single problem once, since runtimes print message and details in one line', () => {
    const error = describeProblems([problem]);
    assert.equal(error.code, 7);
    assert.equal(error.msg, 'Invalid network configuration: ip.gateway "x": must be an address');
    assert.equal(error.details, '');
  });

  it('has the first of several problems in the message and all of them in the details', () => {
    const error = describeProblems([problem, { ...problem, path: 'name' }]);
    assert.equal(
      error.msg,
      'Invalid network configuration: ip.gateway "x": must be an address, and other problems (see details)',
    );
    assert.equal(error.details, 'ip.gateway "x": must be an address\nname "x": must be an address');
  });

  it('lists twenty of many problems', () => {
    const lines = describeProblems(Array.from({ length: 100 }, () => problem)).details.split('\n');
    assert.equal(lines.length, 21);
    assert.equal(lines.at(-1), 'and others');
  });
});

describe('toCniError', () => {
  it('keeps a CniError', () => {
    const error = new CniError(errorCodes.tryAgainLater, 'm');
    assert.equal(toCniError(error), error);
  });

  for (const [thrown, msg] of [
    [new TypeError('x is not a function'), 'Internal error: x is not a function'],
    ['text', 'Internal error: text'],
    [undefined, 'Internal error: undefined'],
  ] as const) {
    it(`converts ${String(thrown)} into code 100`, () => {
      const error = toCniError(thrown);
      assert.equal(error.code, 100);
      assert.equal(error.msg, msg);
      assert.equal(error.cause, thrown);
    });
  }
});
