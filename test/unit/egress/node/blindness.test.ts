import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { AttachmentState } from '../../../../src/egress/model/state.ts';
import { findBlindness } from '../../../../src/egress/node/blindness.ts';
import { state } from '../inspect/samples.ts';

describe('findBlindness', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'blind-'));
    mkdirSync(join(folder, 'netns'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const at = (path: string): AttachmentState => ({ ...state, netns: { path, inode: 1 } });

  it('reports nothing for existing and deleted namespaces', () => {
    assert.equal(findBlindness([], folder), undefined);
    assert.equal(findBlindness([at(join(folder, 'netns/gone')), at('/proc/999999999/ns/net')], folder), undefined);
  });

  it('names the missing folder and the number of affected routers', () => {
    const there = join(folder, 'var/run/netns');
    const words = findBlindness([at(`${there}/a`), at(`${there}/b`)], folder);
    assert.equal(
      words,
      `cannot see the network namespaces of 2 routers: there is no ${there} here; ` +
        "mount the node's folder of network namespaces at that path",
    );
  });

  it('names an unreadable folder of state files', () => {
    assert.match(findBlindness([], join(folder, 'none')) ?? '', /^cannot list the states of routers in .*none: ENOENT/);
  });
});
