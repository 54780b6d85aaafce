import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { type KubeApi, KubeError } from '../../../../src/base/kubernetes/cluster-api.ts';
import { fenceWrites, LeadershipLost } from '../../../../src/base/kubernetes/leadership.ts';
import { KubeLease } from '../../../../src/base/kubernetes/lease.ts';
import { LeaseTerm } from '../../../../src/base/kubernetes/lease-term.ts';
import { until } from '../../../until.ts';

interface StoredLease {
  metadata: { resourceVersion: string; labels?: object };
  spec: { holderIdentity: string; leaseDurationSeconds: number; renewTime: string };
}

/** An API server that has one Lease, and takes as long for requests and answers as a test says. */
class LeaseServer {
  stored: StoredLease | undefined;
  writes = 0;
  /** Milliseconds before a request is processed, and before its answer arrives. */
  delays: () => readonly [before: number, after: number] = () => [0, 0];
  /** Processes that do not reach it. */
  readonly cut = new Set<string>();
  #version = 0;

  readonly api = this.apiOf('test');

  /** The server as one process reaches it. */
  apiOf(holder: string): KubeApi {
    const process = <T>(signal: AbortSignal | undefined, run: () => T): Promise<T> =>
      this.#process(signal, run, () => this.cut.has(holder));
    return {
      get: (_path: string, _query: unknown, signal?: AbortSignal) =>
        process(signal, () => {
          if (this.stored === undefined) throw new KubeError('none', 404);
          return structuredClone(this.stored);
        }),
      create: (_path: string, object: unknown, signal?: AbortSignal) =>
        process(signal, () => {
          if (this.stored !== undefined) throw new KubeError('there is one', 409);
          return this.#store(object);
        }),
      replace: (_path: string, object: unknown, signal?: AbortSignal) =>
        process(signal, () => {
          const { resourceVersion } = (object as StoredLease).metadata;
          if (resourceVersion !== this.stored?.metadata.resourceVersion) throw new KubeError('another version', 409);
          return this.#store(object);
        }),
    } as unknown as KubeApi;
  }

  #store(object: unknown): StoredLease {
    this.writes++;
    const { metadata, spec } = structuredClone(object) as StoredLease;
    this.stored = { metadata: { ...metadata, resourceVersion: `${++this.#version}` }, spec };
    return structuredClone(this.stored);
  }

  /** Processes the request even if its client no longer waits for the answer. */
  async #process<T>(signal: AbortSignal | undefined, run: () => T, isCut: () => boolean): Promise<T> {
    const [before, after] = this.delays();
    const work = async (): Promise<T> => {
      if (before > 0) await sleep(before);
      if (isCut()) await new Promise(() => undefined);
      const answer = run();
      if (after > 0) await sleep(after);
      return answer;
    };
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    signal?.addEventListener('abort', () => reject(new KubeError('no answer in time', 0)));
    const working = work();
    working.catch(() => undefined);
    return Promise.race([working, aborted]);
  }
}

describe('A Lease of several processes', () => {
  let server: LeaseServer;
  const leases: KubeLease[] = [];
  let changes: string[] = [];

  beforeEach(() => {
    server = new LeaseServer();
    changes = [];
  });
  afterEach(() => {
    for (const lease of leases.splice(0)) lease.close();
  });

  /** A process that wants the Lease; `duration` in seconds. */
  function start(holder: string, duration = 1): KubeLease {
    const settings = { namespace: 'system', name: 'one', holder, duration };
    const lease = new KubeLease(
      server.apiOf(holder),
      settings,
      () => changes.push(holder),
      () => undefined,
    );
    leases.push(lease);
    lease.start();
    return lease;
  }

  const isHeld = (lease: KubeLease): Promise<void> =>
    until(
      () => lease.isHeld,
      () => server.stored,
      6000,
    );

  it('is valid for three quarters of its duration after the start of the last renewal', async () => {
    const lease = start('a');
    await isHeld(lease);
    server.delays = () => [60_000, 0];
    // One that is under way may still have been processed at once.
    const begun = performance.now();
    await until(
      () => !lease.isHeld,
      () => lease.remaining,
    );
    assert.ok(performance.now() - begun <= 760, `${performance.now() - begun}`);
  });

  it('is kept even if each answer takes a third of its duration', async () => {
    server.delays = () => [60, 60];
    const lease = start('a');
    await isHeld(lease);
    const since = performance.now();
    while (performance.now() - since < 1500) {
      assert.ok(lease.isHeld, 'lost');
      await sleep(5);
    }
    assert.deepEqual(changes, ['a']);
  });

  it('is acquired again, followed by a complete review, after late renewals', async () => {
    const lease = start('a');
    await isHeld(lease);
    // Processed at once, and answered when the term of the last one has ended.
    let isLate = true;
    server.delays = () => (isLate ? [0, 2000] : [0, 0]);
    await until(
      () => !lease.isHeld,
      () => lease.remaining,
    );
    isLate = false;
    await isHeld(lease);
    assert.deepEqual(changes, ['a', 'a']);
  });

  it('is acquired by another process when its holder is gone, and not before it expires', async () => {
    const first = start('a');
    await isHeld(first);
    const second = start('b');
    await sleep(600);
    assert.ok(first.isHeld && !second.isHeld);
    first.close();
    const begun = performance.now();
    await isHeld(second);
    const took = performance.now() - begun;
    assert.ok(took >= 700, `${took}`);
    // A quarter until the renewal was seen, and the whole time.
    assert.ok(took < 2500, `${took}`);
  });

  it('expires after the duration of its holder, not of this process', async () => {
    const spec = { holderIdentity: 'older-version', leaseDurationSeconds: 3, renewTime: '2026-01-01T00:00:00.000000Z' };
    await server.api.create('', { metadata: {}, spec });
    const lease = start('a', 0.5);
    const begun = performance.now();
    await isHeld(lease);
    assert.ok(performance.now() - begun >= 3000);
  });

  it('counts as renewed even if the clock of its holder stops or goes back', async () => {
    const lease = start('b', 0.5);
    const spec = { holderIdentity: 'a', leaseDurationSeconds: 1, renewTime: '2026-01-01T00:00:00.000000Z' };
    for (let count = 0; count < 12; count++) {
      const known = server.stored;
      if (known === undefined) await server.api.create('', { metadata: {}, spec }).catch(() => undefined);
      else if (known.spec.holderIdentity === 'a') await server.api.replace('', { ...known, spec });
      else break;
      await sleep(150);
      if (count > 0) assert.equal(lease.isHeld, false);
    }
  });

  it('is available immediately after its release', async () => {
    const first = start('a', 10);
    await isHeld(first);
    const second = start('b', 10);
    await sleep(50);
    await first.release();
    assert.equal(first.isHeld, false);
    const begun = performance.now();
    await isHeld(second);
    assert.ok(performance.now() - begun < 4000);
    assert.equal(server.stored?.spec.holderIdentity, 'b');
  });

  it('is not changed by a process that releases another process’s Lease', async () => {
    const first = start('a');
    await isHeld(first);
    server.delays = () => [60_000, 0];
    await until(
      () => !first.isHeld,
      () => first.remaining,
    );
    server.delays = () => [0, 0];
    const known = server.stored;
    assert.ok(known !== undefined);
    await server.api.replace('', { ...known, spec: { ...known.spec, holderIdentity: 'b' } });
    await first.release();
    assert.equal(server.stored?.spec.holderIdentity, 'b');
  });

  it('keeps labels of other clients', async () => {
    await isHeld(start('a', 0.4));
    const known = server.stored;
    assert.ok(known !== undefined);
    server.stored = { ...known, metadata: { resourceVersion: 'x', labels: { team: 'net' } } };
    const { writes } = server;
    await until(
      () => server.writes > writes + 1,
      () => server.stored,
    );
    assert.deepEqual(server.stored?.metadata.labels, { team: 'net' });
  });

  it('never has two holders, even with slow, lossy or one-way connections to the server', async () => {
    let seed = 7;
    const random = (): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    server.delays = () => {
      if (random() < 0.02) return [0, 5000];
      if (random() < 0.02) return [random() * 900, 5000];
      return [random() * 40, random() * 40];
    };
    const all = ['a', 'b', 'c'].map((name) => start(name));
    const end = performance.now() + 12_000;
    let turn = performance.now() + 1000;
    while (performance.now() < end) {
      const holders = all.filter((lease) => lease.isHeld).length;
      assert.ok(holders <= 1, `${holders} holders`);
      // The holder alone is cut off, until another has taken over.
      const holder = server.stored?.spec.holderIdentity ?? '';
      if (holders === 1 && performance.now() > turn && !server.cut.has(holder)) {
        server.cut.clear();
        server.cut.add(holder);
        turn = performance.now() + 500 + random() * 500;
      }
      await sleep(2);
    }
    assert.ok(new Set(changes).size > 1, changes.join());
  }).timeout(20_000);
});

describe('The term of a Lease', () => {
  it('is the configured one while the server is fast, and after a single slow answer', () => {
    const term = new LeaseTerm(2000);
    for (const took of [5, 1000, 5, 20, 1500, 10]) term.note(took);
    assert.deepEqual([term.interval, term.acting, term.seconds], [500, 1500, 2]);
  });

  it('is longer while the server is slow, within limits, and the configured one afterwards', () => {
    const term = new LeaseTerm(2000);
    for (const took of [700, 700]) term.note(took);
    assert.equal(term.seconds, 5);
    for (const took of [9000, 9000]) term.note(took);
    assert.equal(term.seconds, 15);
    for (let count = 0; count < 40; count++) term.note(10);
    assert.equal(term.seconds, 2);
  });
});

describe('Writes of a leader', () => {
  const answers = new Map<string, (signal: AbortSignal | undefined) => Promise<unknown>>();
  const api = new Proxy({} as KubeApi, {
    get: (_, verb: string) => (path: string, _second: unknown, third: AbortSignal | string, fourth?: AbortSignal) =>
      answers.get(`${verb} ${path}`)?.(typeof third === 'object' ? third : fourth) ?? Promise.resolve(verb),
  });

  it('start while it leads, for each kind of write', async () => {
    const fenced = fenceWrites(api, { isHeld: true, remaining: 1000 });
    assert.equal(await fenced.remove('/a', {}), 'remove');
    const lost = fenceWrites(api, { isHeld: false, remaining: -1 });
    const writes = [
      lost.create('/a', {}),
      lost.replace('/a', {}),
      lost.mergePatch('/a', {}),
      lost.apply('/a', {}, 'me'),
      lost.remove('/a', {}),
    ];
    for (const write of writes) await assert.rejects(write, LeadershipLost);
    assert.equal(await lost.get('/a', {}), 'get');
  });

  it('can take longer than a term while it is renewed', async () => {
    answers.set('apply /webhook', async (signal) => {
      await sleep(200);
      assert.equal(signal?.aborted, false);
      return 'applied';
    });
    const until = performance.now() + 150;
    const leadership = {
      isHeld: true,
      get remaining() {
        // The second term begins before the first has ended.
        return until + (performance.now() > until - 50 ? 10_000 : 0) - performance.now();
      },
    };
    assert.equal(await fenceWrites(api, leadership).apply('/webhook', {}, 'me'), 'applied');
  });

  it('are aborted when it stops leading', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    answers.set('apply /slow', async (signal) => {
      signal?.addEventListener('abort', () => resolve());
      await promise;
      throw new KubeError('aborted', 0);
    });
    const begun = performance.now();
    const leadership = {
      isHeld: true,
      get remaining() {
        return begun + 80 - performance.now();
      },
    };
    await assert.rejects(fenceWrites(api, leadership).apply('/slow', {}, 'me'), KubeError);
    assert.ok(performance.now() - begun >= 70);
  });
});
