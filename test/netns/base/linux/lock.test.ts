import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { afterEach, describe, it } from 'mocha';
import { NamespaceLock } from '../../../../src/base/linux/lock.ts';

describe('the lock of a namespace', () => {
  const { now } = Date;
  afterEach(() => {
    Date.now = now;
  });

  it('times out after the stated time even if the clock is set', async () => {
    const folder = '/run/egress-router/locks';
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const holder = spawn('flock', ['--exclusive', `${folder}/net-4711`, 'sh', '-c', 'echo held; sleep 0.3']);
    const [line] = await once(holder.stdout, 'data');
    assert.equal(String(line), 'held\n');
    // A day passes between reads of the clock.
    let days = 0;
    Date.now = () => now() + ++days * 86_400_000;
    new NamespaceLock(4711, '/run/netns/x').release();
    if (holder.exitCode === null) await once(holder, 'exit');
  });
});
