import assert from 'node:assert/strict';
import { AddressLab, nodeNames, virtualAddress } from '../../../lab/address-lab.ts';
import { until } from '../../../until.ts';

describe('ingress-addresses', () => {
  const lab = new AddressLab();
  const addresses = [virtualAddress(10, 4), virtualAddress(10, 6)];
  before(async () => {
    await lab.up();
    await lab.start(addresses);
  });
  after(() => lab.down());

  it('holds two addresses on two of three nodes', async () => {
    const holders = await Promise.all(addresses.map((address) => lab.holder(address)));
    assert.equal(new Set(holders).size, 2);
    await until(
      () => nodeNames.every((node) => lab.state(node)?.addresses.every(({ holder }) => holder !== undefined)),
      () => [nodeNames.map((node) => lab.state(node)), lab.log],
    );
  });
});
