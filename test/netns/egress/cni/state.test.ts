import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { Lab } from '../../../lab/lab.ts';
import { configure } from './configurations.ts';

const folder = '/run/egress-router';
const own = `${folder}/erstate-container@net1.json`;
const other = `${folder}/erstate-other@net1.json`;

describe('a state file', () => {
  let lab: Lab;
  let untouched: string;
  beforeEach(async () => {
    lab = await Lab.up('erstate', { strictReversePath: true });
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const path of [other, `${other}.broken`, `${own}.broken`]) rmSync(path, { force: true, recursive: true });
    untouched = await lab.describe('pod');
  });
  afterEach(() => lab.down());

  const succeed = async (verb: string, config: unknown = configure([4, 6])): Promise<string> => {
    const { status, stdout, stderr } = await lab.plugin(verb, config);
    assert.equal(status, 0, `${verb}: ${stdout}`);
    return stderr;
  };
  const change = (edit: (state: Record<string, unknown>) => void): void => {
    const state = JSON.parse(readFileSync(own, 'utf8')) as Record<string, unknown>;
    edit(state);
    writeFileSync(own, JSON.stringify(state));
  };

  const broken: { name: string; make: () => unknown }[] = [
    { name: 'no JSON', make: () => writeFileSync(other, '{ torn') },
    { name: 'an empty file', make: () => writeFileSync(other, '') },
    { name: 'a list', make: () => writeFileSync(other, '[]') },
    { name: 'null', make: () => writeFileSync(other, 'null') },
    { name: 'an id alone', make: () => writeFileSync(other, '{"version":1,"id":{"containerId":"erstate-other"}}') },
    {
      name: 'wrong types',
      make: () => writeFileSync(other, '{"version":1,"id":{"containerId":"x","ifname":5},"netns":7}'),
    },
    { name: 'a link', make: () => symlinkSync('/etc/passwd', other) },
    { name: 'a folder', make: () => mkdirSync(other) },
  ];
  for (const { name, make } of broken) {
    it(`that is broken blocks no call, is renamed and reported once: ${name}`, async () => {
      make();
      const said = await succeed('ADD');
      assert.match(said, /Cannot use the state \S+erstate-other@net1\.json: .+; it is now \S+\.broken/);
      assert.ok(!existsSync(other) || name === 'a link');
      const config = { ...configure([4, 6]), 'cni.dev/valid-attachments': [] };
      assert.equal(await succeed('GC', config), '');
      assert.equal(await lab.describe('pod'), untouched);
      assert.equal(await succeed('DEL'), '');
      if (name === 'a link') assert.match(readFileSync('/etc/passwd', 'utf8'), /^root:/);
    });
  }

  const edits: { name: string; edit: (state: Record<string, unknown>) => void }[] = [
    {
      name: 'a later version that adds to it',
      edit: (state) =>
        Object.assign(state, { version: 2, measured: { since: 5 }, router: { ...(state.router as object), pool: 3 } }),
    },
    {
      name: 'an earlier version, without router and pod',
      edit: (state) => {
        delete state.router;
        delete state.pod;
      },
    },
    {
      name: 'a version that writes other parts otherwise',
      edit: (state) => Object.assign(state, { version: 3, addresses: 'none', router: [], podLinks: { 4: 'eth0' } }),
    },
  ];
  for (const { name, edit } of edits) {
    it(`suffices for DEL to restore everything: ${name}`, async () => {
      await succeed('ADD');
      change(edit);
      assert.equal(await succeed('DEL'), '');
      assert.equal(await lab.describe('pod'), untouched);
      assert.equal(existsSync(own), false);
    });
  }

  it('without settings lets DEL restore everything else', async () => {
    await succeed('ADD');
    change((state) => delete state.sysctls);
    await succeed('DEL');
    const left = await lab.describe('pod');
    assert.doesNotMatch(left, /net1@|egress-router-net1|ER-net1|fwmark 0x/);
    assert.match(left, /^default via 10\.128\.10\.1 dev eth0/m);
    await lab.run('pod', 'sysctl', ['-qw', 'net.ipv4.ip_forward=0', 'net.ipv6.conf.all.forwarding=0']);
  });

  it('that is no longer valid still restores settings', async () => {
    await succeed('ADD');
    change((state) => {
      delete state.slot;
      delete state.backend;
    });
    assert.match(
      await succeed('DEL'),
      /Cannot use the state .*erstate-container@net1\.json: required fields are missing/,
    );
    assert.equal(await lab.describe('pod'), untouched);
  });

  it('leaves no temporary files of killed calls', async () => {
    const stale = `${folder}/erstate-gone@net1.json.tmp`;
    const fresh = `${folder}/erstate-writing@net1.json.tmp`;
    for (const path of [stale, fresh]) writeFileSync(path, '{');
    utimesSync(stale, new Date(0), new Date(0));
    await succeed('ADD');
    assert.equal(existsSync(stale), false);
    assert.equal(existsSync(fresh), true, 'another process may be writing it');
    rmSync(fresh);
    await succeed('DEL');
  });
});
