import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { Lab } from '../../../lab/lab.ts';
import { addresses as at } from '../../../lab/names.ts';
import { variants } from '../../../lab/plugin.ts';
import { configure } from './configurations.ts';

/** Answers every datagram with 1400 bytes, that must not be cut on the way. */
const bigAnswers = `
  const socket = require('node:dgram').createSocket('udp4');
  socket.on('message', (message, peer) => socket.send(Buffer.alloc(1400), peer.port, peer.address));
  socket.bind(80, '${at.datagrams[4]}');
  setTimeout(() => process.exit(), 20000);
`;

for (const variant of variants) {
  describe(`a cluster network with a smaller MTU, rules by ${variant}`, () => {
    let lab: Lab;
    before(async () => {
      lab = await Lab.up('ermtu', { strictReversePath: true });
      await lab.ip('pod', 'link set eth0 mtu 1300');
    });
    after(() => lab.down());

    it('reports it to the external destination from the reserved address, and the client gets its answer', async () => {
      const added = await lab.plugin('ADD', configure([4]), { variant });
      assert.equal(added.status, 0, added.stdout);
      await lab.run('outside', 'sh', ['-c', `exec "$0" -e "$1" >/dev/null 2>&1 &`, process.execPath, bigAnswers]);
      await new Promise((resolve) => setTimeout(resolve, 300));
      const errors = await lab.capture('outside', 'eth0', 'icmp and icmp[0] == 3 and icmp[1] == 4');
      const far = await lab.agent('far');
      await far.reach('udp', at.pod[4], 80, { timeout: 500 });
      const told = await errors.stop();
      assert.ok(told.length > 0, 'no sender got a message');
      for (const line of told)
        assert.match(line, new RegExp(`${at.reserved[4]} > ${at.datagrams[4]}: ICMP .*need to frag \\(mtu 1300\\)`));
      assert.match(await lab.run('outside', 'ip', ['route', 'get', at.reserved[4]]), /mtu 1300/);
      assert.equal((await far.reach('udp', at.pod[4], 80)).length, 1400);
    });
  });
}
