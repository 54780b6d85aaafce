import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'mocha';
import { Lab } from '../lab/lab.ts';
import { configure } from './configurations.ts';

describe('the log of an ADD', () => {
  let lab: Lab;
  let folder: string;
  before(async () => {
    lab = await Lab.up('erlog');
    folder = mkdtempSync(join(tmpdir(), 'erlog-'));
  });
  after(() => {
    lab.down();
    rmSync(folder, { recursive: true, force: true });
  });
  afterEach(async () => {
    await lab.plugin('DEL', configure([4]));
  });

  const destinations = ['80 UDP 10.0.0.99/30', '8080 TCP 203.0.113.26/30 80', '8443 TCP 203.0.113.27/30 443'];

  it("has the lines of OpenShift's documentation, in their order", async () => {
    const log = join(folder, 'lines');
    const { status, stdout } = await lab.plugin('ADD', configure([4], { destinations }, { log_file: log }), {
      variant: 'iptables-nft',
    });
    assert.equal(status, 0, stdout);
    const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
    for (const line of lines) assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \[debug\] \S/);
    const own = /Added route to 192\.168\.12\.5\/32 by/;
    assert.deepEqual(
      lines.map((line) => line.slice('2021-04-26T12:27:20Z '.length)).filter((line) => !own.test(line)),
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

  it('does not follow a link that somebody planted, and ADD works all the same', async () => {
    const victim = join(folder, 'victim');
    const planted = join(folder, 'planted');
    writeFileSync(victim, 'precious\n');
    symlinkSync(victim, planted);
    const { status, stderr, stdout } = await lab.plugin('ADD', configure([4], {}, { log_file: planted }));
    assert.equal(status, 0, stdout);
    assert.equal(readFileSync(victim, 'utf8'), 'precious\n');
    assert.match(stderr, /the log is not written/);
  });

  for (const log of ['/nonexistent/folder/log', '/proc/sys/kernel/nothing', '/dev/full']) {
    it(`that cannot be written fails nothing: ${log}`, async () => {
      const { status, stdout } = await lab.plugin('ADD', configure([4], {}, { log_file: log }));
      assert.equal(status, 0, stdout);
      assert.doesNotThrow(() => JSON.parse(stdout));
    });
  }

  it('keeps its lines whole when twenty write at once', async () => {
    const log = join(folder, 'shared');
    const calls = Array.from({ length: 20 }, (_, index) =>
      lab.plugin('DEL', configure([4], {}, { log_file: log }), { containerId: `erlog-${index}` }),
    );
    await Promise.all(calls);
    const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
    assert.equal(lines.length, 20);
    for (const line of lines) assert.match(line, /^\S+Z \[debug\] Called CNI DEL$/);
  });
});
