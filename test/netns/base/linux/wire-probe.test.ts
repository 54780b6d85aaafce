import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, describe, it } from 'mocha';
import { askOnWire, WireConversation } from '../../../../src/base/linux/wire-probe.ts';
import { parseAddress } from '../../../../src/base/model/address.ts';
import type { Link } from '../../../../src/base/model/network.ts';
import { inNamespace } from './wire.ts';

const here = 'erwire-here';
const there = 'erwire-there';

describe('questions on the wire', () => {
  let link: Link;
  let theirs: string;

  const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8' });
  const drop = (): void => {
    for (const name of [here, there]) if (ip('netns', 'list').includes(name)) ip('netns', 'delete', name);
  };
  const address = (text: string): { readonly address: NonNullable<ReturnType<typeof parseAddress>> } => {
    const parsed = parseAddress(text);
    assert.ok(parsed);
    return { address: parsed };
  };
  const linkOf = (name: string): Link => {
    const [{ ifindex, address: mac }] = JSON.parse(ip('-n', name, '-j', 'link', 'show', 'eth0'));
    return { index: ifindex, mac } as Link;
  };

  before(() => {
    drop();
    for (const name of [here, there]) ip('netns', 'add', name);
    ip('-n', here, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', there);
    for (const name of [here, there]) ip('-n', name, 'link', 'set', 'eth0', 'up');
    for (const text of ['192.0.2.2/24', '192.0.2.3/24']) ip('-n', there, 'address', 'add', text, 'dev', 'eth0');
    for (const text of ['2001:db8::2/64', '2001:db8::3/64'])
      ip('-n', there, 'address', 'add', text, 'dev', 'eth0', 'nodad');
    link = linkOf(here);
    theirs = linkOf(there).mac;
  });
  after(drop);

  it('are answered by whoever has an address of those asked for, and by nobody for others', () => {
    const asked = ['192.0.2.2', '192.0.2.9', '2001:db8::2', '2001:db8::9'].map(address);
    const claimants = inNamespace(here, () => askOnWire(link, asked, 400));
    assert.deepEqual(claimants.map((one) => `${one.address.text} ${one.mac}`).sort(), [
      `192.0.2.2 ${theirs}`,
      `2001:db8::2 ${theirs}`,
    ]);
  });

  it('are answered by whoever has an address, who may also tell everybody without being asked', () => {
    const [four, six] = ['192.0.2.9', '2001:db8::9'].map(address);
    assert.ok(four && six);
    // Somebody believes that they are elsewhere.
    for (const { address: one } of [four, six])
      ip('-n', there, 'neighbour', 'replace', one.text, 'lladdr', '02:00:00:00:00:66', 'dev', 'eth0', 'nud', 'stale');
    const telling = inNamespace(here, () => new WireConversation(link, [four, six], 0));
    const hearing = inNamespace(there, () => new WireConversation(linkOf(there), [four, six], 200));
    try {
      for (const one of [four, six]) telling.announce(one.address);
      while (hearing.listen());
      assert.deepEqual(hearing.claimants.map((one) => `${one.address.text} ${one.mac}`).sort(), [
        `192.0.2.9 ${link.mac}`,
        `2001:db8::9 ${link.mac}`,
      ]);
      for (const { address: one } of [four, six])
        assert.match(ip('-n', there, 'neighbour', 'show', one.text), new RegExp(`lladdr ${link.mac}`));
    } finally {
      telling.close();
      hearing.close();
    }
  });

  for (const [what, asked, stranger, isHeard] of [
    ['wake nobody whom they do not concern', '192.0.2.9', '192.0.2.77', false],
    ['of somebody who has the address are heard', '192.0.2.2', '192.0.2.78', true],
  ] as const) {
    it(`of others ${what}`, async () => {
      const conversation = inNamespace(here, () => new WireConversation(link, [address(asked)], 0));
      try {
        // It has to find the neighbour first, and asks everybody.
        const send = `const s = require('node:dgram').createSocket('udp4');
          s.bind(9, '192.0.2.2', () => s.send('x', 9, '${stranger}', () => s.close()));`;
        execFileSync('ip', ['netns', 'exec', there, process.execPath, '-e', send]);
        await sleep(20);
        assert.equal(conversation.listen(), isHeard);
      } finally {
        conversation.close();
      }
    });
  }
});
