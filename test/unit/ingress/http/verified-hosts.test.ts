import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { ServedSite } from '../../../../src/ingress/http/served-site.ts';
import { findLack, VerifiedHosts } from '../../../../src/ingress/http/verified-hosts.ts';
import type { ClientDemand } from '../../../../src/ingress/intent/site-request.ts';

const settings = {
  ports: { http: { from: 61_000, to: 61_003 }, tls: { from: 61_004, to: 61_007 } },
  inner: 4,
  clients: 1,
  ended: 1,
  sites: 4,
};
const [first, last] = [8, 11];

/** A request of `NAMESPACE/SECRET` for a host. */
function site(host: string, name: string, more: Partial<ClientDemand> = {}): ServedSite {
  const clients: ClientDemand = { name, pem: `PEM of ${name}`, mode: 'required', ...more };
  const demand = { tls: { end: 'router', plain: 'redirect', clients } };
  return { host, request: { span: 'host', owner: { label: `${name}:${host}` } }, demand } as unknown as ServedSite;
}

function lackOf(hosts: VerifiedHosts, one: ServedSite): string {
  return findLack(hosts.plan(), one) ?? '';
}

describe('Frontends of verified hosts', () => {
  it('are shared by hosts with the same authorities, and kept', () => {
    const hosts = new VerifiedHosts(settings);
    const all = [site('a.test', 'shop/one'), site('b.test', 'shop/one'), site('c.test', 'rest/one')];
    for (const one of all) hosts.add(one);
    const plan = hosts.plan();
    const [a, b, c] = ['a.test', 'b.test', 'c.test'].map((host) => plan.hosts.get(host)?.inner ?? 0);
    assert.equal(a, b);
    assert.notEqual(a, c);
    for (const inner of [a, c]) assert.ok(inner !== undefined && inner >= first && inner <= last);
    assert.equal(hosts.plan(), plan);
    hosts.remove(all[0] as ServedSite);
    hosts.add(site('d.test', 'aaa/one'));
    assert.equal(hosts.plan().hosts.get('b.test'), plan.hosts.get('b.test'));
    assert.equal(hosts.plan().hosts.has('a.test'), false);
    assert.deepEqual(hosts.plan().clients.get(c ?? 0), { scope: 'site rest/one', pem: 'PEM of rest/one' });
  });

  it('leave some for other namespaces', () => {
    const hosts = new VerifiedHosts(settings);
    const many = Array.from({ length: 5 }, (_, index) => site(`${index}.test`, `shop/${index}`));
    for (const one of many) hosts.add(one);
    const other = site('other.test', 'rest/one');
    hosts.add(other);
    const lacks = many.filter((one) => /the 2 of this namespace, are in use/.test(lackOf(hosts, one)));
    assert.equal(lacks.length, 3);
    assert.equal(lackOf(hosts, other), '');
    for (const { host } of lacks) assert.equal(hosts.plan().hosts.get(host)?.inner, 0);
  });

  it('close a host if one of its requests has no authorities, and hosts with bad or too many patterns', () => {
    const hosts = new VerifiedHosts(settings);
    const { pem: _, ...without } = site('a.test', 'shop/one').demand.tls?.clients ?? { name: '', mode: 'required' };
    hosts.add(site('a.test', 'shop/one'));
    const closed = site('a.test', 'shop/missing');
    hosts.add({ ...closed, demand: { ...closed.demand, tls: { end: 'router', plain: 'redirect', clients: without } } });
    assert.deepEqual(hosts.plan().hosts.get('a.test'), { inner: 0, mode: 'required' });
    for (const subject of ['CN=(a+)+$', 'CN=a)|(?:b', 'CN=(?=a)', 'CN=a\\Q']) {
      const own = new VerifiedHosts(settings);
      const bad = site('bad.test', 'shop/one', { subject });
      own.add(bad);
      assert.match(lackOf(own, bad), /auth-tls-match-cn: regular expression/, subject);
      assert.equal(own.plan().clients.size, 0);
    }
    const many = Array.from({ length: 101 }, (_, index) => site(`${index}.test`, 'shop/one', { subject: 'CN=bob' }));
    for (const one of many) hosts.add(one);
    assert.equal(many.filter((one) => /more than 100 hosts with patterns/.test(lackOf(hosts, one))).length, 1);
  });

  for (const [name, few] of [
    ['without ports for listeners', undefined],
    ['of a router that verifies all hosts', { ...settings, sites: 0 }],
  ] as const) {
    it(`do not exist ${name}`, () => {
      const hosts = new VerifiedHosts(few);
      const one = site('a.test', 'shop/one');
      hosts.add(one);
      assert.deepEqual(hosts.plan().hosts.get('a.test'), { inner: 0, mode: 'required' });
      assert.match(lackOf(hosts, one), /without --listener-ports, or if it verifies those of all hosts/);
    });
  }
});
