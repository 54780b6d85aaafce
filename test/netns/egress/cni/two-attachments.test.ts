import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'mocha';
import { Lab } from '../../../lab/lab.ts';
import { addresses as at } from '../../../lab/names.ts';
import { configure } from './configurations.ts';

describe('ADD for a second attachment of a pod, and for an address without network', function () {
  this.timeout(60_000);
  let lab: Lab;
  const first = configure([4]);
  const second = (changes: Readonly<Record<string, unknown>>) =>
    configure([4], { addresses: ['192.168.12.98/24'], gateway: at.gateway[4], ...changes });
  before(async () => {
    lab = await Lab.up('ertwo');
    await lab.serveOutside({ tcp: [80, 443], udp: [80] });
  });
  after(() => lab.down());
  afterEach(async () => {
    await lab.plugin('DEL', second({}), { ifname: 'net2' });
    await lab.plugin('DEL', first);
  });

  it('rejects ports that the first attachment redirects, and leaves that one as it was', async () => {
    assert.equal((await lab.plugin('ADD', first)).status, 0);
    // The kernel updates the operational state of a new link a moment later.
    const describePod = async () => (await lab.describe('pod')).replaceAll(/ state [A-Z]+/g, '');
    const untouched = await describePod();
    for (const [changes, says] of [
      [
        { destinations: [`9090 TCP ${at.secure[4]} 443`, `8080 tcp ${at.secure[4]} 443`] },
        /^Invalid network configuration: ip\.destinations: 8080\/tcp: attachment net1 of this pod redirects this port, too; use another port/,
      ],
      [
        { destinations: [], fallbackIP: at.fallback[4] },
        /^Invalid network configuration: ip\.fallbackIP: redirects every port, but attachment net1 of this pod redirects IPv4 ports, too/,
      ],
    ] as const) {
      const { status, json } = await lab.plugin('ADD', second(changes), { ifname: 'net2' });
      assert.equal(status, 1);
      assert.match(json?.msg ?? '', says);
      assert.equal(json?.code, 7);
      assert.equal(await describePod(), untouched);
    }
    const far = await lab.agent('far');
    assert.equal(await far.reach('tcp', at.pod[4], 8080), `${at.reserved[4]} ${at.web[4]} 80`);
    // The same number for another protocol is another port.
    const other = second({ destinations: [`8080 UDP ${at.datagrams[4]} 80`] });
    assert.equal((await lab.plugin('ADD', other, { ifname: 'net2' })).status, 0);
    assert.equal(await far.reach('udp', at.pod[4], 8080), `192.168.12.98 ${at.datagrams[4]} 80`);
  });

  it('uses a gateway on the link for an address with prefix length 32', async () => {
    const alone = configure([4], { addresses: [`${at.reserved[4]}/32`], gateway: at.gateway[4] });
    const { status, stdout } = await lab.plugin('ADD', alone);
    assert.equal(status, 0, stdout);
    const far = await lab.agent('far');
    assert.equal(await far.reach('tcp', at.pod[4], 8080), `${at.reserved[4]} ${at.web[4]} 80`);
    assert.equal((await lab.plugin('CHECK', { ...alone, prevResult: JSON.parse(stdout) })).status, 0);
  });
});
