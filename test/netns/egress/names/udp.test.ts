import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'mocha';
import { DnsClient, type Lookup } from '../../../../src/egress/names/dns-client.ts';
import { TestDns } from '../../../lab/dns-server.ts';
import { inNamespace, throughoutInNamespace } from '../../base/linux/wire.ts';

const netns = 'erudp';
const port = 5300;

describe('DNS queries that begin together', () => {
  let dns: TestDns;
  const client = new DnsClient(() => [{ address: '127.0.0.1', port }]);
  const drop = (): void => {
    if (execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' }).includes(netns))
      execFileSync('ip', ['netns', 'delete', netns]);
  };

  before(() => {
    drop();
    execFileSync('ip', ['netns', 'add', netns]);
    execFileSync('ip', ['-n', netns, 'link', 'set', 'lo', 'up']);
  });
  after(drop);
  beforeEach(async () => {
    dns = new TestDns();
    await inNamespace(netns, () => dns.start(port));
  });
  afterEach(() => dns.stop());

  const names = Array.from({ length: 8 }, (_, i) => `n${i}.example`);
  const answers = (list: readonly Lookup[]): readonly string[] =>
    list.map((one) => (one.kind === 'addresses' ? one.addresses.map(({ text }) => text).join() : one.kind));
  const lookUp = (all: readonly string[]): Promise<Lookup[]> =>
    throughoutInNamespace(netns, () => Promise.all(all.map((name) => client.lookUp(name, 4))));

  it('share a port, at most four at a time, and each gets its own answer', async () => {
    for (const [i, name] of names.entries()) dns.names.set(name, { a: [`203.0.113.${i}`] });
    assert.deepEqual(
      answers(await lookUp(names)),
      names.map((_, i) => `203.0.113.${i}`),
    );
    assert.equal(dns.sourcePorts.size, 2);
    assert.equal(dns.ids.size, 8);
    await lookUp(names.slice(0, 1));
    assert.equal(dns.sourcePorts.size, 3, 'a later query has a port of its own');
  });

  it('do not wait for each other, and a silent one ends by its time', async () => {
    const [silent = '', ...others] = names;
    dns.names.set(silent, { isSilent: true });
    for (const name of others) dns.names.set(name, { a: ['203.0.113.9'] });
    const ended: string[] = [];
    await throughoutInNamespace(netns, () =>
      Promise.all(names.map((name) => client.lookUp(name, 4).then(({ kind }) => ended.push(`${name} ${kind}`)))),
    );
    assert.equal(ended.at(-1), `${silent} failed`);
    assert.equal(ended.filter((one) => one.endsWith('addresses')).length, 7);
  });

  it('are all repeated by TCP if responses of their port indicate spoofing', async () => {
    const [attacked = '', ...others] = names.slice(0, 4);
    dns.names.set(attacked, { a: ['203.0.113.1'], forged: { count: 8, address: '203.0.113.66', by: 'id' } });
    for (const name of others) dns.names.set(name, { isSilent: true });
    const [first] = await lookUp([attacked, ...others]);
    assert.deepEqual(answers(first === undefined ? [] : [first]), ['203.0.113.1']);
    assert.ok(dns.tcpQueries >= 4, `${dns.tcpQueries}`);
  });

  it('all fail soon if the port of the server is closed', async () => {
    dns.stop();
    for (const one of await lookUp(names)) assert.match(one.kind === 'failed' ? one.reason : one.kind, /ECONNREFUSED/);
    dns = new TestDns();
    await inNamespace(netns, () => dns.start(port));
  });
});
