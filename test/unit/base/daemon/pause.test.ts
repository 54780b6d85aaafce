import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { pause } from '../../../../src/base/daemon/pause.ts';

describe('pause', () => {
  it('leaves no listener on the signal', async () => {
    const { signal } = new AbortController();
    for (let count = 0; count < 20; count++) await pause(0, signal);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  it('ends with the signal, even one that was aborted before', async () => {
    const end = new AbortController();
    const waiting = pause(600_000, end.signal);
    end.abort();
    await waiting;
    await pause(600_000, end.signal);
  });
});
