import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { Lab } from '../../../lab/lab.ts';
import { addresses as at } from '../../../lab/names.ts';
import { variants } from '../../../lab/plugin.ts';
import { configure } from './configurations.ts';

const rounds = 5;

for (const variant of variants) {
  for (const podForwards of [false, true]) {
    describe(`under load, by ${variant}, in a pod that ${podForwards ? 'forwarded before' : 'did not forward'}`, () => {
      let lab: Lab;
      before(async () => {
        lab = await Lab.up('erleak', { podForwards });
        await lab.serveOutside({ tcp: [80, 443, 8080], udp: [80] });
      });
      after(() => lab.down());

      it('ADD and DEL let no packet out with a wrong source or on a wrong path', async function () {
        this.timeout(60_000);
        // On the wire: only the reserved address may speak to a destination. On the cluster's side:
        // nothing that the pod sends may be for a destination.
        const destinations =
          '(dst net 203.0.113.0/24 or dst net 10.0.0.0/24 or dst net 2001:db8:203::/48 or dst net 2001:db8:99::/48)';
        const strangers = await lab.capture(
          'outside',
          'eth0',
          `${destinations} and not src host ${at.reserved[4]} and not src host ${at.reserved[6]}`,
        );
        const astray = await lab.capture('node', 'to-pod', `inbound and ${destinations}`);
        const through = await lab.capture('outside', 'eth0', `${destinations} and src host ${at.reserved[4]}`);
        const far = await lab.agent('far');
        const near = await lab.agent('near');
        await far.hammer('tcp', 'tcp', at.pod[4], 8080);
        await far.hammer('udp', 'udp', at.pod[4], 80);
        await near.hammer('tcp', 'tcp', at.pod[4], 8443);
        await near.hammer('tcp6', 'tcp', at.pod[6], 8080);
        // One that keeps its port: its packets must not go on past a rule that came later.
        await lab.run('near', 'sh', ['-c', steadyDatagrams]);
        for (let round = 0; round < rounds; round++) {
          const added = await lab.plugin('ADD', configure([4, 6]), { variant });
          assert.equal(added.status, 0, added.stdout);
          await new Promise((resolve) => setTimeout(resolve, 150));
          assert.equal((await lab.plugin('DEL', configure([4, 6]), { variant })).status, 0);
        }
        const reports = [await far.stopHammer('tcp'), await far.stopHammer('udp'), await near.stopHammer('tcp')];
        await near.stopHammer('tcp6');
        for (const report of reports) {
          const reached = Object.entries(report).filter(([outcome]) => outcome.startsWith(`${at.reserved[4]} `));
          assert.equal(reached.length, 1, `not exactly one connection: ${JSON.stringify(report)}`);
        }
        assert.ok((await through.stop()).length > 0);
        assert.deepEqual((await strangers.stop()).slice(0, 5), []);
        assert.deepEqual((await astray.stop()).slice(0, 5), []);
      });
    });
  }
}

/** Ten seconds of datagrams from one port, a hundred a second. */
const steadyDatagrams = `exec ${process.execPath} -e '
  const socket = require("node:dgram").createSocket("udp4");
  socket.on("error", () => {});
  socket.bind(45454, () => setInterval(() => socket.send("steady", 80, "${at.pod[4]}"), 10));
  setTimeout(() => process.exit(), 10000);
' >/dev/null 2>&1 &`;
