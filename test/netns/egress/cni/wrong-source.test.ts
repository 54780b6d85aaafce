import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { addressBytes, parseAddress } from '../../../../src/base/model/address.ts';
import { Lab } from '../../../lab/lab.ts';
import { addresses as at } from '../../../lab/names.ts';
import { variants } from '../../../lab/plugin.ts';
import { openingFrame } from '../../base/linux/frames.ts';
import { Wire } from '../../base/linux/wire.ts';
import { configure } from './configurations.ts';

const mac = '02:00:00:00:00:99';
const everybody = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
const strangeMac = '02:00:00:00:00:66';

/** Frames from the pod with another host's source address, in tcpdump's format. */
const honest = [
  `ether src ${mac} and src host ${at.reserved[4]}`,
  `ether src ${mac} and arp and arp[14:4] = 0xc0a80c63`,
  `ether src ${mac} and src host ${at.reserved[6]}`,
  // What neighbour discovery and multicast listener discovery need, from the link's own address.
  `ether src ${mac} and ip6 and src host fe80::ff:fe00:99`,
  `ether src ${mac} and ip6 and src host ::`,
];
const dishonest = `(ether src ${mac} or ether src ${strangeMac} or src host ${at.pod[4]} or src host ${at.pod[6]}) and not (${honest.map((one) => `(${one})`).join(' or ')})`;

for (const variant of variants) {
  describe(`traffic on net1, rules by ${variant}`, () => {
    let lab: Lab;
    beforeEach(async () => {
      lab = await Lab.up('erwrong');
    });
    afterEach(() => lab.down());

    const add = async (): Promise<void> => {
      const { status, stdout } = await lab.plugin('ADD', configure([4, 6]), { variant, args: `MAC=${mac}` });
      assert.equal(status, 0, stdout);
    };

    it('is translated or forgotten, including unanswered flows from the pod that were tracked before', async () => {
      // Another program tracks connections before the plugin runs: a mesh, a NetworkPolicy of a sidecar.
      await lab.run(
        'pod',
        'nft',
        ['-f', '-'],
        'table inet mesh {\n chain out {\n type filter hook output priority 0;\n ct state new accept\n }\n}\n',
      );
      // Destinations outside that do not answer.
      await lab.run(
        'outside',
        'nft',
        ['-f', '-'],
        'table inet quiet {\n chain in {\n type filter hook input priority 0;\n udp dport 9 drop\n }\n}\n',
      );
      const wrong = await lab.capture('outside', 'eth0', dishonest);
      await lab.run('pod', 'sh', ['-c', sendFor(4)]);
      await lab.run('pod', 'sh', ['-c', sendFor(6)]);
      await new Promise((resolve) => setTimeout(resolve, 150));
      const before = (await wrong.stop()).length;
      assert.ok(before > 0, 'without the router the flows leave with their own address');
      const after = await lab.capture('outside', 'eth0', `ether src ${mac} and ${dishonest}`);
      const translated = await lab.capture('outside', 'eth0', `src host ${at.reserved[4]} and udp port 9`);
      const translated6 = await lab.capture('outside', 'eth0', `src host ${at.reserved[6]} and udp port 9`);
      await add();
      await new Promise((resolve) => setTimeout(resolve, 400));
      assert.deepEqual((await after.stop()).slice(0, 5), []);
      // Forgotten, so that they go on as flows of the router: not cut off for ever.
      assert.ok((await translated.stop()).length > 0, 'the IPv4 flow goes on with the reserved address');
      assert.ok((await translated6.stop()).length > 0, 'the IPv6 flow goes on with the reserved address');
    });

    it('has no packet with the reserved address after DEL, while other programs translate', async () => {
      await lab.run('pod', 'nft', ['-f', '-'], othersTranslation);
      await lab.run(
        'outside',
        'nft',
        ['-f', '-'],
        'table inet quiet {\n chain in {\n type filter hook input priority 0;\n udp dport 9 drop\n }\n}\n',
      );
      await add();
      await lab.run('pod', 'sh', ['-c', sendFor(4)]);
      await new Promise((resolve) => setTimeout(resolve, 200));
      const deleted = await lab.plugin('DEL', configure([4, 6]), { variant });
      assert.equal(deleted.status, 0, deleted.stdout);
      const astray = await lab.capture('node', 'to-pod', `inbound and src host ${at.reserved[4]}`);
      const restored = await lab.capture('node', 'to-pod', `inbound and src host ${at.pod[4]} and udp port 9`);
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert.deepEqual((await astray.stop()).slice(0, 3), []);
      assert.ok((await restored.stop()).length > 0, 'the flow goes on with the address of the pod');
    });

    it('has the reserved address regardless of earlier rules of other programs', async () => {
      await lab.serveOutside({ tcp: [80], udp: [80] });
      const wrong = await lab.capture('outside', 'eth0', dishonest);
      await add();
      await lab.run('pod', 'nft', ['-f', '-'], earlierTranslation);
      const far = await lab.agent('far');
      const pod = await lab.agent('pod');
      for (const [agent, host, port] of [
        [far, at.pod[4], 8080],
        [far, at.pod[6], 8080],
        [pod, at.web[4], 80],
        [pod, at.web[6], 80],
      ] as const) {
        assert.equal(await agent.reach('tcp', host, port, { timeout: 300 }), 'timeout');
      }
      assert.deepEqual((await wrong.stop()).slice(0, 5), []);
    });

    it('comes from net1, whatever a process in the pod writes to its link', async () => {
      await add();
      const seen = await lab.capture('outside', 'eth0', `(ether src ${mac} or ether src ${strangeMac})`);
      const wire = new Wire(lab.netns('pod'), await indexOf('pod', 'net1'));
      const frames = forgedFrames();
      try {
        for (const frame of frames) assert.throws(() => wire.send(frame), { code: 'ENOBUFS' });
        // One that is honest, so that it is seen that frames arrive.
        wire.send(udp(mac, at.reserved[4], at.outsider[4]));
      } finally {
        wire.close();
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
      const lines = await seen.stop();
      assert.ok(
        lines.some((line) => line.includes(`${at.reserved[4]}.5000 >`)),
        'the honest frame arrives',
      );
      assert.deepEqual(lines.filter(isForged), []);
    });

    it('comes from net1 until DEL has deleted it, and no other link answers for its address', async function () {
      this.timeout(30_000);
      // A flat network: the pod's neighbours think that the reserved network is theirs, too.
      await lab.ip('near', 'address add 192.168.12.200/24 dev eth0');
      const seen = await lab.capture('outside', 'eth0', `(ether src ${mac} or ether src ${strangeMac})`);
      const answers = await lab.capture('near', 'eth0', `arp[6:2] = 2 and arp[14:4] = 0xc0a80c63`);
      const asking = new Wire(lab.netns('near'), await indexOf('near', 'eth0'));
      let frames = 0;
      try {
        for (let round = 0; round < 6; round++) {
          await add();
          const wire = new Wire(lab.netns('pod'), await indexOf('pod', 'net1'));
          const writing = new AbortController();
          const written = (async () => {
            while (!writing.signal.aborted) {
              for (const frame of [...forgedFrames(), udp(mac, at.reserved[4], at.outsider[4])])
                frames += offer(wire, frame);
              offer(asking, question('02:00:00:00:00:77', [192, 168, 12, 200], [192, 168, 12, 99]));
              await setImmediate();
            }
          })();
          const { status, stdout } = await lab.plugin('DEL', configure([4, 6]), { variant });
          writing.abort();
          await written;
          wire.close();
          assert.equal(status, 0, stdout);
        }
      } finally {
        asking.close();
      }
      const lines = await seen.stop();
      assert.ok(frames > 100 && lines.length > 10, `${frames} frames were sent, ${lines.length} seen`);
      assert.deepEqual(lines.filter(isForged).slice(0, 5), []);
      assert.deepEqual((await answers.stop()).slice(0, 5), []);
    });

    const indexOf = async (namespace: Parameters<Lab['run']>[0], link: string): Promise<number> => {
      const [{ ifindex }] = JSON.parse(await lab.run(namespace, 'ip', ['-j', 'link', 'show', link])) as [
        { ifindex: number },
      ];
      return ifindex;
    };
  });
}

/** Five seconds of datagrams to a silent port, from one port, fifty per second. */
function sendFor(family: 4 | 6): string {
  return `exec ${process.execPath} -e '
    const socket = require("node:dgram").createSocket("udp${family}");
    socket.on("error", () => {});
    socket.bind(45454, "${at.pod[family]}", () => setInterval(() => socket.send("steady", 9, "${at.web[family]}"), 20));
    setTimeout(() => process.exit(), 5000);
  ' >/dev/null 2>&1 &`;
}

/** A mesh's translations, which keep the kernel translating when ours are gone. */
const othersTranslation = `table inet mesh {
 chain out {
  type nat hook output priority -100;
  tcp dport 15001 redirect to :15006
 }
 chain post {
  type nat hook postrouting priority 100;
  tcp dport 15001 masquerade
 }
}
`;

/** Translates sources before this project's rules can. */
const earlierTranslation = `table inet other {
 chain post {
  type nat hook postrouting priority 50;
  oifname "net1" meta nfproto ipv4 snat ip to 10.128.10.18
  oifname "net1" meta nfproto ipv6 snat ip6 to fd00:10:128:10::18
 }
}
`;

function bytesOf(text: string): number[] {
  return text.split(':').map((byte) => Number.parseInt(byte, 16));
}

function udp(from: string, source: string, destination: string): Uint8Array {
  const [one, other] = [parseAddress(source), parseAddress(destination)];
  assert.ok(one && other);
  const frame = openingFrame({ source: one, destination: other, protocol: 'udp', sourcePort: 5000, port: 9 }, 1, 2);
  frame.set([...everybody, ...bytesOf(from)]);
  return frame;
}

function arp(operation: 1 | 2, from: string, sender: string, address: number[], target: number[]): Uint8Array {
  return Uint8Array.from(
    [
      [everybody, bytesOf(from), [8, 6]],
      [[0, 1, 8, 0, 6, 4, 0, operation], bytesOf(sender), address],
      [everybody, target],
    ].flat(2),
  );
}

/** Who has an address? */
function question(from: string, address: number[], target: number[]): Uint8Array {
  return arp(1, from, from, address, target);
}

/** Whether the kernel took a frame; it refuses what the guard drops, and what is for a link that is gone. */
function offer(wire: Wire, frame: Uint8Array): number {
  try {
    wire.send(frame);
    return 1;
  } catch {
    return 0;
  }
}

/** Whether a line of tcpdump shows a frame that is not of net1. */
function isForged(line: string): boolean {
  return (
    line.includes(strangeMac) ||
    line.includes('802.1Q') ||
    /192\.168\.12\.(1|66)[ .]5000 >|10\.128|fd00|2001:db8:12::1[ ,>]|is-at .* 192\.168\.12\.1\b|Reply 192\.168\.12\.1 /.test(
      line,
    )
  );
}

/** What a process with CAP_NET_RAW may try. */
function forgedFrames(): Uint8Array[] {
  const tagged = udp(mac, at.gateway[4], at.outsider[4]);
  const claim = (senderMac: string, sender: number[]): Uint8Array => arp(2, mac, senderMac, sender, [192, 168, 12, 66]);
  return [
    udp(mac, at.pod[4], at.outsider[4]),
    udp(mac, at.gateway[4], at.outsider[4]),
    udp(strangeMac, at.reserved[4], at.outsider[4]),
    udp(mac, at.pod[6], at.outsider[6]),
    udp(mac, at.gateway[6], at.outsider[6]),
    udp(strangeMac, at.reserved[6], at.outsider[6]),
    Uint8Array.of(...tagged.subarray(0, 12), 0x81, 0, 0, 5, ...tagged.subarray(12)),
    // That the gateway's address, or another's, is here.
    claim(mac, [192, 168, 12, 1]),
    claim(strangeMac, [192, 168, 12, 99]),
    advertisement(at.gateway[6]),
  ];
}

function advertisement(target: string): Uint8Array {
  const [source, claimed] = [parseAddress(at.reserved[6]), parseAddress(target)];
  assert.ok(source && claimed);
  const frame = openingFrame({ source, destination: source, protocol: 'udp', sourcePort: 1, port: 1 }, 1, 2);
  const header = frame.slice(14, 54);
  header.set([0, 32, 58, 255], 4);
  return Buffer.concat([
    Buffer.from([0x33, 0x33, 0, 0, 0, 1, ...bytesOf(mac), 0x86, 0xdd]),
    header,
    Buffer.from([136, 0, 0, 0, 0x20, 0, 0, 0, ...addressBytes(claimed), 2, 1, ...bytesOf(mac)]),
  ]);
}
