import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, describe, it } from 'mocha';
import { readAdvertisement, readArp } from '../../../../src/base/linux/neighbour-message.ts';
import { askOnWire, WireConversation } from '../../../../src/base/linux/wire-probe.ts';
import { parseAddress } from '../../../../src/base/model/address.ts';
import type { Link } from '../../../../src/base/model/network.ts';
import { until } from '../../../until.ts';
import { forgedAdvertisement, forgedArp } from './forged-neighbours.ts';
import { inNamespace, Wire } from './wire.ts';

const here = 'erwire-here';
const there = 'erwire-there';

describe('address probes', () => {
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

  it('are answered by the owners of the requested addresses, and by no host for other addresses', () => {
    const asked = ['192.0.2.2', '192.0.2.9', '2001:db8::2', '2001:db8::9'].map(address);
    const claimants = inNamespace(here, () => askOnWire(link, asked, 400));
    assert.deepEqual(claimants.map((one) => `${one.address.text} ${one.mac}`).sort(), [
      `192.0.2.2 ${theirs}`,
      `2001:db8::2 ${theirs}`,
    ]);
  });

  it('are answered by the owner of an address, who may also announce it unasked', () => {
    const [four, six] = ['192.0.2.9', '2001:db8::9'].map(address);
    assert.ok(four && six);
    // Another host has wrong neighbour entries.
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

  it('go only to an owner that stays once it has answered, and to everyone when it is silent', async () => {
    const wire = new Wire(there, linkOf(there).index);
    const question = { ...address('192.0.2.9'), stays: true };
    const conversation = inNamespace(here, () => new WireConversation(link, [question, address('192.0.2.8')], 200));
    const owner = '02:00:00:00:00:66';
    const everyone = 'ff:ff:ff:ff:ff:ff';
    /** Where the next requests for an address go. */
    const receivers = (text: string, ask: () => void, count = 2): readonly string[] => {
      ask();
      return wire.receiveRequests(count).flatMap(({ target, receiver }) => (target === text ? [receiver] : []));
    };
    const hear = async (text: string): Promise<void> => {
      conversation.forget();
      wire.send(forgedArp({ sender: text, mac: owner }));
      await until(
        () => conversation.listen() && conversation.claimants.length === 1,
        () => conversation.claimants,
        5000,
      );
    };
    const ask = (): void => conversation.ask();
    try {
      assert.deepEqual(receivers('192.0.2.9', ask), [everyone]);
      await hear('192.0.2.9');
      assert.deepEqual(receivers('192.0.2.9', ask), [owner]);
      assert.equal(conversation.askSilent(), false, 'it answered');
      conversation.forget();
      assert.deepEqual(receivers('192.0.2.9', ask), [owner]);
      assert.deepEqual(
        receivers('192.0.2.9', () => assert.equal(conversation.askSilent(), true), 1),
        [everyone],
      );
      assert.equal(conversation.askSilent(), false, 'everyone was asked');
      // The owner of an address that must have none may be any host.
      await hear('192.0.2.8');
      assert.deepEqual(receivers('192.0.2.8', ask), [everyone]);
      await hear('192.0.2.9');
      conversation.forgetOwners();
      assert.deepEqual(receivers('192.0.2.9', ask), [everyone]);
    } finally {
      conversation.close();
      wire.close();
    }
  });

  for (const [what, asked, stranger, isHeard] of [
    ['wake no other waiter', '192.0.2.9', '192.0.2.77', false],
    ['of a host with the address are received', '192.0.2.2', '192.0.2.78', true],
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

  describe('accept as an answer what the RFCs let a host accept', () => {
    const marks = { 4: '192.0.2.200', 6: '2001:db8::200' } as const;
    const rival = '02:00:00:00:00:66';
    const arp = (change: Parameters<typeof forgedArp>[0] = {}): Buffer => forgedArp({ sender: '192.0.2.9', ...change });
    const advertisement = (change: Parameters<typeof forgedAdvertisement>[0] = {}): Buffer =>
      forgedAdvertisement({ target: '2001:db8::9', ...change });
    const cases: readonly (readonly [what: string, family: 4 | 6, frame: Buffer, isHeard: boolean])[] = [
      ['an ARP reply', 4, arp(), true],
      ['an ARP request, padded to the least length of a frame', 4, arp({ operation: 1, padding: 18 }), true],
      ['an ARP reply of a virtual router, whose frame comes from its own address', 4, arp({ frameSource: 7 }), true],
      ['RARP', 4, arp({ operation: 3 }), false],
      ['an InARP reply', 4, arp({ operation: 9 }), false],
      ['ARP of another kind of hardware', 4, arp({ hardware: 15 }), false],
      ['ARP of another protocol', 4, arp({ protocol: 0x86dd }), false],
      ['ARP with hardware addresses of eight bytes', 4, arp({ hardwareLength: 8 }), false],
      ['ARP with addresses of sixteen bytes', 4, arp({ protocolLength: 16 }), false],
      ['ARP that is cut short', 4, arp().subarray(0, 41), false],
      ['ARP whose sender is a group', 4, arp({ mac: 'ff:ff:ff:ff:ff:ff' }), false],
      ['ARP whose sender has no hardware address', 4, arp({ mac: '00:00:00:00:00:00' }), false],
      ['ARP for another host', 4, arp({ frameDestination: '02:00:00:00:00:55' }), false],
      ['ARP of a VLAN that the link is not in', 4, arp({ vlan: 7 }), false],
      ['a neighbour advertisement', 6, advertisement(), true],
      ['a solicited one to one host', 6, advertisement({ destination: '2001:db8::1', flags: 0x60 }), true],
      ['one without an option', 6, advertisement({ options: '' }), true],
      ['one with another option first', 6, advertisement({ options: `0e01000000000000${'0201020000000066'}` }), true],
      ['one in a frame that is filled up', 6, advertisement({ padding: 8 }), true],
      ['one that a router forwarded', 6, advertisement({ hopLimit: 254 }), false],
      ['one with hop limit 64', 6, advertisement({ hopLimit: 64 }), false],
      ['one with a wrong checksum', 6, advertisement({ checksum: 1 }), false],
      ['one without a checksum', 6, advertisement({ checksum: 'none' }), false],
      ['one of another code', 6, advertisement({ code: 1 }), false],
      ['one that is shorter than its target', 6, advertisement({ length: 20 }), false],
      ['one that is longer than its frame', 6, advertisement({ length: 64 }), false],
      ['a solicited one to everybody', 6, advertisement({ flags: 0x60 }), false],
      ['one with an option of no length', 6, advertisement({ options: '0200020000000066' }), false],
      ['one with an option that is longer than it', 6, advertisement({ options: '0202020000000066' }), false],
      ['one with bytes behind its last option', 6, advertisement({ options: '02010200000000660e01' }), false],
      ['one from a group', 6, advertisement({ source: 'ff02::1' }), false],
      ['one from the unspecified address', 6, advertisement({ source: '::' }), false],
      ['one of a group’s hardware address', 6, advertisement({ options: '0201330000000001' }), false],
      ['one behind another header', 6, advertisement({ nextHeader: 0 }), false],
      ['one of IP version 4', 6, advertisement({ version: 4 }), false],
      ['one of a VLAN that the link is not in', 6, advertisement({ vlan: 7 }), false],
    ];
    for (const [what, family, frame, isHeard] of cases) {
      it(`${what}: ${isHeard ? 'yes' : 'no'}`, () => {
        const asked = { 4: '192.0.2.9', 6: '2001:db8::9' }[family];
        const wire = new Wire(there, linkOf(there).index);
        const conversation = inNamespace(
          here,
          () => new WireConversation(link, [address(asked), address(marks[family])], 200),
        );
        try {
          wire.send(frame);
          // What was sent before this one was heard before it, or never will be.
          wire.send(family === 4 ? forgedArp({ sender: marks[4] }) : forgedAdvertisement({ target: marks[6] }));
          const isMarked = (): boolean => conversation.claimants.some((one) => one.address.text === marks[family]);
          for (const end = performance.now() + 5000; !isMarked() && performance.now() < end; ) conversation.listen();
          assert.ok(isMarked());
          const heard = conversation.claimants.filter((one) => one.address.text === asked);
          assert.deepEqual(
            heard.map(({ mac }) => mac),
            isHeard ? [rival] : [],
          );
        } finally {
          conversation.close();
          wire.close();
        }
      });
    }

    it('accept exactly the frames that the filter of the socket accepts', () => {
      // Frames of VLANs and for others never get as far as here: the kernel knows them.
      const elsewhere = /VLAN|another host/;
      for (const [what, family, frame, isHeard] of cases) {
        if (elsewhere.test(what)) continue;
        const read = (family === 4 ? readArp : readAdvertisement)(frame);
        assert.equal(read?.mac, isHeard ? rival : undefined, what);
      }
      for (const [, family, frame] of cases) {
        for (let length = 0; length < frame.length; length++)
          assert.doesNotThrow(() => (family === 4 ? readArp : readAdvertisement)(frame.subarray(0, length)));
      }
    });
  });

  it('wait for the stated time even if the clock is set', () => {
    const { now } = Date;
    let day = now();
    Date.now = () => {
      day += 86_400_000;
      return day;
    };
    try {
      const claimants = inNamespace(here, () => askOnWire(link, [address('192.0.2.2')], 400));
      assert.deepEqual(
        claimants.map(({ mac }) => mac),
        [theirs],
      );
    } finally {
      Date.now = now;
    }
  });
});
