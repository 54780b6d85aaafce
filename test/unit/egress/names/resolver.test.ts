import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Address, addressFromBytes, parseAddress, parsePrefix } from '../../../../src/base/model/address.ts';
import { readAnswers, writeAnswers } from '../../../../src/egress/names/answer-file.ts';
import type { Lookup } from '../../../../src/egress/names/dns-client.ts';
import { NameEntry } from '../../../../src/egress/names/entry.ts';
import { sift } from '../../../../src/egress/names/policy.ts';
import { NameResolver, type ResolverSettings } from '../../../../src/egress/names/resolver.ts';
import { until } from '../../../until.ts';

function address(text: string): Address {
  return parseAddress(text) ?? assert.fail(text);
}

const prefixes = (...texts: string[]) => texts.map((text) => parsePrefix(text) ?? assert.fail(text));
const none = { clusterNetworks: [], allowedNetworks: [], allowedSuffixes: [] };
const settings: ResolverSettings = {
  policy: none,
  times: { shortest: 40, longest: 60_000, stale: 200 },
  mostNames: 3,
};

describe('sift', () => {
  const refused = [
    '0.0.0.0',
    '0.1.2.3',
    '127.0.0.1',
    '169.254.169.254',
    '169.254.1.1',
    '100.100.100.200',
    '224.0.0.1',
    '255.255.255.255',
    '10.128.3.4',
    '192.168.12.5',
    '::',
    '::1',
    '::7f00:1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::1',
    '2002:7f00:1::1',
    'fe80::1',
    'fec0::1',
    'ff02::1',
    'fd00:ec2::254',
  ];
  const policy = { ...none, clusterNetworks: prefixes('10.128.0.0/14') };
  const own = new Set(['192.168.12.5']);
  for (const text of refused) {
    it(`refuses ${text}, unless it is allowed`, () => {
      const one = [address(text)];
      assert.deepEqual(sift(one, policy, own).usable, []);
      const allowedNetworks = prefixes(`${text}/${text.includes(':') ? 128 : 32}`);
      assert.deepEqual(sift(one, { ...policy, allowedNetworks }, own).usable, one);
    });
  }

  it('refuses IPv4-mapped addresses, which only an answer can contain', () => {
    const mapped = addressFromBytes(Uint8Array.from([...Array(10).fill(0), 0xff, 0xff, 10, 0, 0, 1]));
    assert.deepEqual(sift([mapped], policy, own).usable, []);
  });

  it('accepts addresses outside the cluster', () => {
    const outside = ['203.0.113.26', '10.0.0.99', '192.168.12.6', '2001:db8::1', 'fd00::1'].map(address);
    assert.deepEqual(sift(outside, policy, own), { usable: outside, refused: [] });
  });
});

describe('NameEntry', () => {
  const found = (ttl: number) =>
    ({ kind: 'addresses', addresses: [address('203.0.113.1')], refused: [], ttl }) as const;
  const times = { shortest: 1000, longest: 100_000, stale: 5000 };

  it('clamps a TTL to the minimum and the maximum', () => {
    for (const [ttl, want] of [
      [0, 1000],
      [30, 30_000],
      [4_000_000, 100_000],
    ] as const) {
      const entry = new NameEntry('a.example', 4, times);
      entry.take(found(ttl), 500);
      assert.equal(entry.remaining(500), want);
    }
  });

  it('keeps and reports the answer for the stale time while servers fail', () => {
    const entry = new NameEntry('a.example', 4, times);
    assert.equal(entry.take(found(10), 0), true);
    assert.equal(entry.take(found(10), 1), false);
    assert.equal(entry.take({ kind: 'failed', reason: 'SERVFAIL' }, 12_000), true);
    assert.equal(entry.addresses.length, 1);
    assert.equal(entry.problem, 'SERVFAIL');
    assert.equal(entry.take({ kind: 'failed', reason: 'SERVFAIL' }, 14_999), false);
    assert.equal(entry.take({ kind: 'failed', reason: 'SERVFAIL' }, 15_002), true);
    assert.deepEqual(entry.addresses, []);
  });

  it('drops the answer immediately when the name no longer exists', () => {
    const entry = new NameEntry('a.example', 4, times);
    entry.take(found(10), 0);
    entry.take({ kind: 'none', reason: 'the name does not exist', ttl: undefined }, 1);
    assert.deepEqual(entry.addresses, []);
  });
});

describe('NameResolver', () => {
  let resolver: NameResolver | undefined;
  const queries: string[] = [];
  const changed: string[] = [];
  let answer: (name: string) => Promise<Lookup> = () => Promise.resolve({ kind: 'failed', reason: 'unset' });

  function make(more: Partial<ResolverSettings> = {}): NameResolver {
    resolver = new NameResolver(
      { ...settings, ...more },
      {
        lookUp: (name, family) => {
          queries.push(`${name} ${family}`);
          return answer(name);
        },
        ownAddresses: () => new Set(),
        changed: (names) => changed.push(...names),
      },
    );
    return resolver;
  }
  beforeEach(() => {
    queries.length = 0;
    changed.length = 0;
    answer = () => Promise.resolve({ kind: 'addresses', addresses: [address('203.0.113.1')], ttl: 60 });
  });
  afterEach(() => resolver?.close());

  it('sends one query for many users of a name, and discards it with the last user', async () => {
    const names = make();
    for (let user = 0; user < 100; user++)
      names.want(`u${user}`, { namespace: `n${user}`, names: ['a.example'], families: [4] });
    await names.settle(['a.example'], 1000);
    assert.deepEqual(queries, ['a.example 4']);
    assert.deepEqual(names.find('a.example').addresses, [address('203.0.113.1')]);
    for (let user = 0; user < 100; user++) names.release(`u${user}`);
    assert.deepEqual([...names.entries], []);
  });

  it('refreshes before the TTL expires, and reports only changes', async () => {
    let count = 0;
    answer = () =>
      Promise.resolve({ kind: 'addresses', addresses: [address(++count < 4 ? '203.0.113.1' : '203.0.113.2')], ttl: 0 });
    const names = make();
    names.want('u', { namespace: 'n', names: ['a.example'], families: [4] });
    await until(
      () => changed.length === 2,
      () => [changed, queries],
    );
    assert.ok(count >= 4, `${count}`);
    assert.ok((names.find('a.example').remaining ?? 0) > 0);
  });

  it('limits the names of one namespace without affecting others', async () => {
    const names = make();
    const many = ['a.example', 'b.example', 'c.example', 'd.example', 'e.example'];
    names.want('one', { namespace: 'one', names: many, families: [4] });
    names.want('two', { namespace: 'two', names: ['e.example'], families: [4] });
    await names.settle(many, 1000);
    assert.deepEqual(queries.toSorted(), ['a.example 4', 'b.example 4', 'c.example 4', 'e.example 4']);
    assert.match(names.find('d.example').problem ?? '', /more than 3 names .*--max-names/);
    assert.equal(names.find('e.example').addresses.length, 1);
    // A free place is taken.
    names.want('one', { namespace: 'one', names: many.slice(1, 4), families: [4] });
    await names.settle(['d.example'], 1000);
    assert.equal(names.find('d.example').addresses.length, 1);
  });

  it('sends no query for names inside the cluster', async () => {
    const names = make();
    names.want('u', { namespace: 'n', names: ['db.shop.svc', 'x.cluster.local'], families: [4, 6] });
    await names.settle(['db.shop.svc'], 1000);
    assert.deepEqual(queries, []);
    assert.match(names.find('db.shop.svc').problem ?? '', /not below "svc"/);
  });

  it('stops waiting for a silent server after the given time', async () => {
    answer = () => new Promise(() => {});
    const names = make();
    names.want('u', { namespace: 'n', names: ['a.example'], families: [4] });
    await names.settle(['a.example'], 30);
    assert.equal(names.find('a.example').isSettled, false);
  });

  it('limits the number of concurrent queries', async () => {
    let running = 0;
    let most = 0;
    answer = async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 1));
      running--;
      return { kind: 'none', reason: 'no', ttl: 60 };
    };
    const names = make({ mostNames: 1000 });
    const many = Array.from({ length: 500 }, (_, index) => `n${index}.example`);
    names.want('u', { namespace: 'n', names: many, families: [4] });
    await names.settle(many, 5000);
    assert.equal(queries.length, 500);
    assert.ok(most <= 48, `${most}`);
  });

  it('saves answers in a file that only root can read, and ignores corrupt or expired ones', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'answers-'));
    const path = join(folder, 'names', 'answers.json');
    try {
      assert.deepEqual(readAnswers(path, settings.times), []);
      const names = make();
      names.want('u', { namespace: 'n', names: ['a.example'], families: [4] });
      await names.settle(['a.example'], 1000);
      writeAnswers(path, names.entries);
      assert.equal(statSync(path).mode & 0o777, 0o600);
      names.close();
      const again = make();
      answer = () => new Promise(() => {});
      again.restore(readAnswers(path, settings.times));
      // Another user that comes first does not make it forget them.
      again.want('first', { namespace: 'm', names: ['b.example'], families: [4] });
      again.want('u', { namespace: 'n', names: ['a.example'], families: [4] });
      assert.deepEqual(again.find('a.example').addresses, [address('203.0.113.1')]);
      const old = { name: 'a.example', family: 4, addresses: ['203.0.113.1'], expires: Date.now() - 1000, changed: 0 };
      writeFileSync(path, JSON.stringify({ version: 1, answers: [old] }));
      assert.deepEqual(readAnswers(path, settings.times), []);
      writeFileSync(path, '{"version":1,"answers":[{"name":"../x"}]}');
      assert.deepEqual(readAnswers(path, settings.times), []);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
