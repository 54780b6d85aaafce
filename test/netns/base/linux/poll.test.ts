import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { describe, it } from 'mocha';
import { openSocket, pollReadable } from '../../../../src/base/linux/libc/calls.ts';

describe('pollReadable', () => {
  it('polls again when a signal interrupts it', async function () {
    this.timeout(60_000);
    const [unix, datagram] = [1, 2];
    const fds = Array.from({ length: 500 }, () => openSocket(unix, datagram, 0));
    // The profiler of the runtime sends a signal to this thread at every sample.
    const session = new Session();
    session.connect();
    try {
      await session.post('Profiler.enable');
      await session.post('Profiler.setSamplingInterval', { interval: 100 });
      await session.post('Profiler.start');
      for (const end = performance.now() + 2000; performance.now() < end; ) assert.deepEqual(pollReadable(fds), []);
      const { profile } = await session.post('Profiler.stop');
      assert.ok((profile.samples?.length ?? 0) > 100);
    } finally {
      session.disconnect();
      for (const fd of fds) closeSync(fd);
    }
  });
});
