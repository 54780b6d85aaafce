import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AddressKeeper, type KeeperParts } from '../../../../../src/ingress/agent/addresses/keeper.ts';
import { until } from '../../../../until.ts';

describe('a keeper of virtual addresses without pools', () => {
  for (const [router, isReplaced] of [
    ['default', true],
    ['another', false],
  ] as const) {
    it(`${isReplaced ? 'replaces' : 'leaves'} the document of router "${router}"`, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'keeper-'));
      const path = join(directory, 'wanted.json');
      const document = JSON.stringify({ version: 1, router, addresses: [{ address: '192.0.2.10' }] });
      writeFileSync(path, document);
      let asked = 0;
      const keeper = new AddressKeeper({
        directory,
        router: 'default',
        node: 'n1',
        assignments: () => {
          asked++;
          return { owners: new Map(), pools: [] };
        },
        keys: { start: () => undefined, close: () => undefined },
        members: {
          list: [{ node: 'n1', addresses: ['192.0.2.1'] }],
          join: () => undefined,
          close: async () => undefined,
        },
        nodeAddresses: () => ['192.0.2.1'],
        portsOf: () => [],
        nodesOf: () => undefined,
        labelsOfNode: () => undefined,
        findInterface: () => undefined,
        isReady: () => true,
        isCordoned: () => false,
        report: () => undefined,
        holdingOf: () => ({ state: 'waiting' }),
        onState: () => undefined,
        heartbeatPort: 1941,
        checks: [],
      } as unknown as KeeperParts);
      const read = () => readFileSync(path, 'utf8');
      keeper.start();
      await until(() => asked > 3 && (read() !== document) === isReplaced, read);
      await keeper.stop(false);
      if (isReplaced) assert.deepEqual([JSON.parse(read()).router, JSON.parse(read()).addresses], ['default', []]);
      else assert.equal(read(), document);
      rmSync(directory, { recursive: true });
    });
  }
});

describe('keepers of virtual addresses of several routers on a node', () => {
  const directory = mkdtempSync(join(tmpdir(), 'keeper-'));
  after(() => rmSync(directory, { recursive: true }));
  const written = (): { router?: string; writtenAt: number } =>
    JSON.parse(readFileSync(join(directory, 'wanted.json'), 'utf8'));
  const keyId = (): string => JSON.parse(readFileSync(join(directory, 'keys.json'), 'utf8')).keys[0].id;

  function open(router: string, isReady = true) {
    let problem: string | undefined;
    let ticks = 0;
    const parts = {
      directory,
      router,
      node: 'n1',
      assignments: () => ({ owners: new Map(), pools: [{}] }),
      keys: { start: (onKeys: (keys: object[]) => void) => onKeys([{ id: router }]), close: () => undefined },
      members: {
        list: [{ node: 'n1', addresses: ['192.0.2.1'] }],
        join: () => undefined,
        close: async () => undefined,
      },
      nodeAddresses: () => ['192.0.2.1'],
      isReady: () => isReady,
      isCordoned: () => false,
      report: (next: string | undefined) => {
        problem = next;
        ticks++;
      },
      holdingOf: () => ({ state: 'waiting' }),
      onState: () => undefined,
      heartbeatPort: 1941,
      checks: [],
    };
    const keeper = new AddressKeeper(parts as unknown as KeeperParts);
    keeper.start();
    return { keeper, problem: () => keeper.problem ?? problem, ticks: () => ticks };
  }

  const isWritten = (router: string) => () => {
    try {
      return written().router === router && keyId() === router;
    } catch {
      return false;
    }
  };

  it('leave the documents to another router until they are ready', async () => {
    const slow = open('slow', false);
    await until(
      () => slow.ticks() > 1,
      () => slow.problem(),
    );
    const first = open('first');
    await until(isWritten('first'), () => first.problem());
    await until(
      () => slow.problem()?.startsWith('router "first" of this node uses ') === true,
      () => slow.problem(),
    );
    assert.equal(slow.keeper.state, undefined);
    await Promise.all([slow.keeper.stop(false), first.keeper.stop(false)]);
  });

  it('let one router write the documents, and report the problem of the other', async () => {
    const first = open('first');
    await until(isWritten('first'), () => first.problem());
    const second = open('second');
    await until(
      () => second.problem()?.startsWith('router "first" of this node uses ') === true,
      () => second.problem(),
    );
    assert.match(
      second.problem() ?? '',
      /no address of router "second" is held here; set another --addresses-directory/,
    );
    assert.equal(second.keeper.state, undefined);
    const at = written().writtenAt;
    await until(
      () => written().writtenAt > at,
      () => written(),
    );
    assert.deepEqual([written().router, keyId()], ['first', 'first']);
    // An update of the first router: its next agent takes over, although the lock is free for a moment.
    first.keeper.pause();
    await new Promise((resolve) => setTimeout(resolve, 600));
    assert.equal(written().router, 'first');
    const next = open('first');
    await until(
      () => written().writtenAt > at + 1000 && next.problem()?.includes('router "') !== true,
      () => next.problem(),
    );
    assert.equal(written().router, 'first');
    // The first router is gone, and its document becomes old.
    await next.keeper.stop(true);
    const old = new Date(Date.now() - 60_000);
    utimesSync(join(directory, 'wanted.json'), old, old);
    await until(isWritten('second'), () => second.problem());
    await Promise.all([first.keeper.stop(false), second.keeper.stop(false)]);
  });
});
