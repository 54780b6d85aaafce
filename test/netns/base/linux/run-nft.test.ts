import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { after, before, describe, it } from 'mocha';
import { runNft } from '../../../../src/base/linux/run-nft.ts';
import { until } from '../../../until.ts';
import { inNamespace } from './wire.ts';

const netns = 'erorphan-node';

describe('nft of an ingress agent', () => {
  const drop = (): void => {
    if (existsSync(`/var/run/netns/${netns}`)) execFileSync('ip', ['netns', 'delete', netns]);
  };
  before(() => {
    drop();
    execFileSync('ip', ['netns', 'add', netns]);
  });
  after(drop);

  it('runs after the nft of a killed agent, and sees its result', async () => {
    const { ino } = statSync(`/var/run/netns/${netns}`);
    mkdirSync('/run/egress-router/locks', { recursive: true, mode: 0o700 });
    // What an nft has in its hands while it runs: here it takes long.
    const work = `echo begins; sleep 0.5; ip netns exec ${netns} nft add table inet orphan`;
    const orphan = spawn('flock', [`/run/egress-router/locks/net-${ino}`, 'sh', '-c', work]);
    let output = '';
    orphan.stdout.on('data', (text) => {
      output += text;
    });
    await until(
      () => output !== '',
      () => output,
    );
    assert.equal(
      inNamespace(netns, () => runNft(['list', 'tables'])),
      'table inet orphan\n',
    );
  });
});
