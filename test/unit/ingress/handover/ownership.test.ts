import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duties, NodeOwnership } from '../../../../src/ingress/handover/ownership.ts';
import { PodFolder } from '../../../../src/ingress/handover/pod-folder.ts';
import { until } from '../../../until.ts';

describe('The owner of a node', () => {
  const folders: string[] = [];
  const agents: NodeOwnership[] = [];
  const describeAll = () => agents.map(({ isActive, isOwner, problem }) => ({ isActive, isOwner, problem }));
  const openShared = (): string => {
    const folder = mkdtempSync(join(tmpdir(), 'erow-'));
    folders.push(folder);
    return folder;
  };
  afterEach(() => {
    for (const agent of agents.splice(0)) agent.close();
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  });

  /** An agent of a pod with a record of its calls. */
  async function open(shared: string, uid: string, duties: Partial<Duties> = {}) {
    const calls: string[] = [];
    const folder = await PodFolder.open(shared, uid, 'agent');
    const agent = new NodeOwnership(
      folder,
      {
        prepare: async () => true,
        begin: () => calls.push('begin'),
        end: async () => void calls.push('end'),
        ...duties,
      },
      {
        report: (message) => calls.push(message),
        fail: ({ message }) => calls.push(`failed: ${message}`),
      },
    );
    agents.push(agent);
    return { agent, calls, count: (word: string) => calls.filter((one) => one.startsWith(word)).length };
  }

  it('has started only when it has begun its duties', async () => {
    const { agent, count } = await open(openShared(), 'one', {
      begin: () => assert.equal(agent.isActive, false),
    });
    agent.start();
    await until(() => agent.isActive, describeAll);
    assert.equal(count('This agent now applies ports'), 1);
  });

  it('hands over to the agent of a later pod', async () => {
    const shared = openShared();
    const [early, late] = [await open(shared, 'early'), await open(shared, 'late')];
    early.agent.start();
    await until(() => early.agent.isActive, describeAll);
    late.agent.start();
    await until(() => late.agent.isActive, describeAll);
    assert.deepEqual([early.agent.isActive, early.agent.isOwner, early.count('end')], [false, false, 1]);
  });

  it('tries again when it cannot listen, and leaves the node to another agent meanwhile', async () => {
    const shared = openShared();
    const { agent, count } = await open(shared, 'one');
    const path = join(shared, 'handover.sock');
    mkdirSync(path);
    writeFileSync(join(path, 'x'), '');
    agent.start();
    await until(() => agent.problem !== undefined, describeAll);
    assert.deepEqual([agent.isActive, agent.isOwner, count('begin')], [false, false, 0]);
    assert.match(agent.problem ?? '', /^Cannot take over the node from other agents; retrying: .*handover\.sock/);
    rmSync(path, { recursive: true });
    await until(
      () => agent.isActive,
      () => agent.problem,
    );
    assert.deepEqual([agent.problem, count('begin'), count('Cannot'), count('failed')], [undefined, 1, 1, 0]);
  });

  it('tries again when it cannot prepare or ask, and stays behind the owner', async () => {
    const shared = openShared();
    const early = await open(shared, 'early');
    early.agent.start();
    await until(() => early.agent.isActive, describeAll);
    let failures = 2;
    const late = await open(shared, 'late', {
      prepare: async () => {
        if (failures-- > 0) throw new Error('no memory');
        return true;
      },
    });
    late.agent.start();
    await until(
      () => late.agent.isActive,
      () => late.calls,
    );
    assert.equal(late.count('Cannot take over the node from other agents; retrying: no memory'), 1);
  });

  it('takes the node back when the later agent cannot take over', async () => {
    const shared = openShared();
    let isBroken = true;
    const early = await open(shared, 'early', {
      end: async () => {
        // What the later agent finds.
        if (!isBroken) return;
        mkdirSync(join(shared, 'handover.sock'));
        writeFileSync(join(shared, 'handover.sock', 'x'), '');
      },
    });
    const late = await open(shared, 'late');
    early.agent.start();
    await until(() => early.agent.isActive, describeAll);
    late.agent.start();
    // The earlier agent finds the same obstacle only when it tries to take the node back.
    await until(() => early.agent.problem !== undefined, describeAll);
    isBroken = false;
    rmSync(join(shared, 'handover.sock'), { recursive: true });
    await until(
      () => early.agent.isActive || late.agent.isActive,
      () => [early.calls, late.calls],
    );
  });

  for (const what of ['begin', 'end'] as const) {
    it(`fails, and keeps the lock until the process exits, when its duties cannot ${what}`, async () => {
      const shared = openShared();
      const refuse = (): never => {
        throw new Error('a broken disk');
      };
      const early = await open(shared, 'early', { [what]: what === 'end' ? async () => refuse() : refuse });
      const late = await open(shared, 'late');
      early.agent.start();
      if (what === 'end') await until(() => early.agent.isActive, describeAll);
      late.agent.start();
      await until(
        () => early.count('failed: a broken disk') === 1,
        () => early.calls,
      );
      // The duties may still write.
      assert.deepEqual([early.agent.isActive, early.agent.isOwner, late.agent.isActive], [false, true, false]);
    });
  }

  it('does not begin its duties when it takes the node only to remove what was applied', async () => {
    const shared = openShared();
    const early = await open(shared, 'early');
    early.agent.start();
    await until(() => early.agent.isActive, describeAll);
    const late = await open(shared, 'late', { prepare: async () => false });
    late.agent.start();
    assert.equal(late.agent.tryTake(), false);
    const alone = await open(openShared(), 'one', { prepare: async () => false });
    assert.equal(alone.agent.tryTake(), true);
    alone.agent.start();
    await until(() => alone.agent.isOwner, describeAll);
    assert.equal(alone.count('begin'), 0);
  });
});
