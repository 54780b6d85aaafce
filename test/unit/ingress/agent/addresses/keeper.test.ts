import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AddressKeeper, type KeeperParts } from '../../../../../src/ingress/agent/addresses/keeper.ts';

describe('a keeper of virtual addresses without pools', () => {
  for (const [router, isFollowed] of [
    ['default', true],
    ['another', false],
  ] as const) {
    it(`${isFollowed ? 'replaces' : 'leaves'} the document of router "${router}"`, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'keeper-'));
      writeFileSync(join(directory, 'wanted.json'), JSON.stringify({ version: 1, router }));
      let follows = false;
      const keeper = new AddressKeeper({
        directory,
        router: 'default',
        node: 'n1',
        assignments: () => ({ owners: new Map(), pools: [] }),
        keys: { start: () => (follows = true), close: () => undefined },
        members: { list: [], join: () => undefined, close: async () => undefined },
        nodeAddresses: () => [],
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
      keeper.start();
      await new Promise((resolve) => setTimeout(resolve, 600));
      await keeper.stop(false);
      rmSync(directory, { recursive: true });
      assert.equal(follows, isFollowed);
    });
  }
});
