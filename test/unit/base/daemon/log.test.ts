import assert from 'node:assert/strict';
import { openDaemonLog } from '../../../../src/base/daemon/log.ts';

describe('openDaemonLog', () => {
  it('escapes controls and direction marks in names, messages and errors without changing the document', () => {
    const lines: string[] = [];
    const log = openDaemonLog('info', 'json', { write: (line) => lines.push(line) });
    const name = 'a\u009b31mb\u202ec\u2028d\u007f\u{e0001}';
    log.warn({ [name]: name, err: new Error(name, { cause: new Error(name) }) }, `Cannot read ${name}`);
    assert.equal(lines.length, 1);
    const [line = ''] = lines;
    assert.match(line, /^[\x20-\x7e]*\n$/);
    const written = JSON.parse(line) as Record<string, unknown>;
    assert.equal(written[name], name);
    assert.equal(written.msg, `Cannot read ${name}`);
  });
});
