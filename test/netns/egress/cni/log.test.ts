import assert from 'node:assert/strict';
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execaSync } from 'execa';
import { after, afterEach, before, describe, it } from 'mocha';
import { Lab } from '../../../lab/lab.ts';
import { configure } from './configurations.ts';

const defaultLog = '/tmp/egress-router-log';
/** Where logs may always be. */
const own = '/var/log/egress-router';

describe('the log of an ADD', () => {
  let lab: Lab;
  let folder: string;
  const sweep = (): void => {
    for (const name of ['lines', 'shared', 'link']) rmSync(join(own, `erlog-${name}`), { force: true });
  };
  before(async () => {
    lab = await Lab.up('erlog');
    folder = mkdtempSync(join(tmpdir(), 'erlog-'));
    mkdirSync(own, { recursive: true });
    sweep();
  });
  after(() => {
    lab.down();
    rmSync(folder, { recursive: true, force: true });
    sweep();
  });
  afterEach(async () => {
    await lab.plugin('DEL', configure([4]));
  });

  const destinations = ['80 UDP 10.0.0.99/30', '8080 TCP 203.0.113.26/30 80', '8443 TCP 203.0.113.27/30 443'];

  it("has the lines of OpenShift's documentation in their order", async () => {
    const log = join(own, 'erlog-lines');
    const { status, stdout } = await lab.plugin('ADD', configure([4], { destinations }, { log_file: log }), {
      variant: 'iptables-nft',
    });
    assert.equal(status, 0, stdout);
    const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
    for (const line of lines) assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \[debug\] \S/);
    const toNode = /Added route to 192\.168\.12\.5\/32 by/;
    assert.deepEqual(
      lines.map((line) => line.slice('2021-04-26T12:27:20Z '.length)).filter((line) => !toNode.test(line)),
      [
        '[debug] Called CNI ADD',
        '[debug] Gateway: 192.168.12.1',
        '[debug] IP Source Addresses: [192.168.12.99/24]',
        '[debug] IP Destinations: [80 UDP 10.0.0.99/30 8080 TCP 203.0.113.26/30 80 8443 TCP 203.0.113.27/30 443]',
        '[debug] Created macvlan interface',
        '[debug] Renamed macvlan to "net1"',
        '[debug] Adding route to gateway 192.168.12.1 on macvlan interface',
        '[debug] deleted default route {Ifindex: 2 Dst: <nil> Src: <nil> Gw: 10.128.10.1 Flags: [] Table: 254}',
        '[debug] Added new default route with gateway 192.168.12.1',
        '[debug] Added iptables rule: iptables -t nat PREROUTING -i eth0 -p UDP --dport 80 -j DNAT --to-destination 10.0.0.99',
        '[debug] Added iptables rule: iptables -t nat PREROUTING -i eth0 -p TCP --dport 8080 -j DNAT --to-destination 203.0.113.26:80',
        '[debug] Added iptables rule: iptables -t nat PREROUTING -i eth0 -p TCP --dport 8443 -j DNAT --to-destination 203.0.113.27:443',
        '[debug] Added iptables rule: iptables -t nat -o net1 -j SNAT --to-source 192.168.12.99',
      ],
    );
  });

  it('cannot be used to write a file of the node, and ADD works anyway', async () => {
    const victim = join(folder, 'victim');
    writeFileSync(victim, 'precious\n');
    symlinkSync(victim, join(folder, 'planted'));
    symlinkSync(folder, join(own, 'erlog-link'));
    const asked = [
      victim,
      join(folder, 'planted'),
      join(folder, 'new'),
      join(own, 'erlog-link', 'new'),
      `${own}/../../..${folder}/new`,
      '/proc/sys/kernel/hostname',
      '/dev/full',
      '/nonexistent/folder/log',
    ];
    const hostname = readFileSync('/proc/sys/kernel/hostname', 'utf8');
    for (const file of asked) {
      rmSync(defaultLog, { force: true });
      const config = configure([4], {}, { log_file: file });
      const { status, stdout } = await lab.plugin('ADD', config);
      assert.equal(status, 0, stdout);
      const [first, second] = readFileSync(defaultLog, 'utf8').split('\n');
      assert.match(first ?? '', /^\S+Z \[error\] log_file "[^"]+": .*; writing to \/tmp\/egress-router-log instead$/);
      assert.match(second ?? '', /\[debug\] Called CNI ADD$/);
      await lab.plugin('DEL', config);
      // An invalid one must not write either.
      await lab.plugin('ADD', { ...config, ip: { addresses: ['/etc/evil.so'] } });
      assert.match(readFileSync(defaultLog, 'utf8'), /\[error\] Invalid network configuration/);
      assert.equal(readFileSync(victim, 'utf8'), 'precious\n');
      assert.equal(existsSync(join(folder, 'new')), false);
      assert.equal(readFileSync('/proc/sys/kernel/hostname', 'utf8'), hostname);
    }
  });

  const plants: { name: string; plant: (path: string) => void }[] = [
    { name: 'a link', plant: (path) => symlinkSync(join(tmpdir(), 'erlog-nowhere'), path) },
    { name: 'a pipe', plant: (path) => void execaSync('mkfifo', [path]) },
    { name: 'a folder', plant: (path) => mkdirSync(path) },
    {
      name: "another user's file",
      plant: (path) => {
        writeFileSync(path, '2021-04-26T12:27:20Z [debug] planted\n', { mode: 0o666 });
        chownSync(path, 65534, 65534);
      },
    },
  ];
  for (const { name, plant } of plants) {
    it(`is not written if ${name} was planted at the default path, and nothing fails`, async () => {
      rmSync(defaultLog, { force: true, recursive: true });
      plant(defaultLog);
      try {
        const before = lstatSync(defaultLog);
        const { status, stdout, stderr } = await lab.plugin('ADD', configure([4]));
        assert.equal(status, 0, stdout);
        assert.doesNotThrow(() => JSON.parse(stdout));
        assert.match(stderr, /^egress-router: Cannot write the log \/tmp\/egress-router-log: [^\n]+; remove it$/);
        const after = lstatSync(defaultLog);
        assert.deepEqual([after.ino, after.size, after.mode], [before.ino, before.size, before.mode]);
        assert.equal(existsSync(join(tmpdir(), 'erlog-nowhere')), false);
      } finally {
        rmSync(defaultLog, { force: true, recursive: true });
      }
    });
  }

  it('shows no control or direction characters of a tenant, nor do the screens of erctl', async () => {
    const odd = 'a\u009b2J\u202e\u2066\u2028b\u001b[0m\nc';
    rmSync(defaultLog, { force: true });
    const config = configure([4], { gateway: odd, destinations: [odd] }, { log_file: `/${odd}`, args: { [odd]: odd } });
    const outcomes = [
      await lab.plugin('ADD', config),
      await lab.plugin('ADD', configure([4]), { args: `${odd}=x` }),
      await lab.plugin('ADD', configure([4], {}, { log_file: '/tmp/\u0085x', cniVersion: odd })),
    ];
    const text = readFileSync(defaultLog, 'utf8') + outcomes.map(({ stdout, stderr }) => stdout + stderr).join('');
    assert.doesNotMatch(text, /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  });

  it('keeps its lines whole with twenty concurrent writers', async () => {
    const log = join(own, 'erlog-shared');
    const calls = Array.from({ length: 20 }, (_, index) =>
      lab.plugin('DEL', configure([4], {}, { log_file: log }), { containerId: `erlog-${index}` }),
    );
    await Promise.all(calls);
    const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
    assert.equal(lines.length, 20);
    for (const line of lines) assert.match(line, /^\S+Z \[debug\] Called CNI DEL$/);
  });
});
