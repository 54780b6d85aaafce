import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { formatLogLine, writesText } from '../../../../src/base/daemon/log-format.ts';

describe('the text form of a log', () => {
  it('shows time, level, message and fields on one line', () => {
    const line = { level: 40, time: '2026-01-02T03:04:05.678Z', pid: 1, hostname: 'node-a', msg: 'Route not admitted' };
    assert.equal(
      formatLogLine(JSON.stringify({ ...line, route: 'web', message: 'port 80 is taken' })),
      '2026-01-02T03:04:05.678Z WARN  Route not admitted route=web message="port 80 is taken"\n',
    );
  });

  it('shows the message of an error once', () => {
    const line = { level: 50, time: 't', msg: 'The agent cannot start', err: { message: 'port taken', stack: 'at x' } };
    assert.equal(formatLogLine(JSON.stringify(line)), 't ERROR The agent cannot start error="port taken"\n');
  });

  it('lets no text of an object forge a line or move the cursor', () => {
    const text = formatLogLine(JSON.stringify({ level: 30, time: 't', msg: 'a\nb', name: 'x\u001b[2J\u202e' }));
    assert.equal(text, 't INFO  a\\u000ab name="x\\u001b[2J\\u202e"\n');
  });

  it('writes the configured format', () => {
    assert.equal(writesText('text'), true);
    assert.equal(writesText('json'), false);
  });
});
