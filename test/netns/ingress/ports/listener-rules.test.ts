import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { after, before, describe, it } from 'mocha';
import type { HttpState } from '../../../../src/ingress/haproxy/model.ts';
import type { VirtualHost } from '../../../../src/ingress/haproxy/rule.ts';
import { ListenerRules } from '../../../../src/ingress/ports/linux/listener-rules.ts';
import { addNamespaces, dropNamespaces, runIn, runIp } from '../../../lab/namespaces.ts';
import { makeBackend, makeServer, makeState } from '../haproxy/fixtures.ts';
import { World } from '../haproxy/world.ts';

const client = 'ertlc';
const ports = { from: 61_000, to: 61_007 };
const gateways = { ports: { http: { from: 61_000, to: 61_003 }, tls: { from: 61_004, to: 61_007 } }, inner: 1 };
const [own, pool, own6, pool6] = ['10.96.7.1', '10.96.7.100', 'fd00:96:7::1', 'fd00:96:7::100'] as const;

/** A name that answers with a redirect to the name of its place and its port. */
function nameOf(place: string, host: string): [string, VirtualHost] {
  const key = `${place}|*`;
  const target = { kind: 'redirect', redirect: { status: 302, host } } as const;
  return [key, { key, listener: 'gw/l', rules: [{ path: { type: 'prefix', value: '/' }, conditions: [], target }] }];
}

describe('ListenerRules', () => {
  const world = new World();
  const rules = new ListenerRules('test', ports);

  before(async () => {
    dropNamespaces([client]);
    await addNamespaces([client]);
    execFileSync('ip', ['-batch', '-'], {
      input: [
        `link add ertlc0 type veth peer name eth0 netns ${client}`,
        'link set ertlc0 up',
        ...[`${own}/24`, `${pool}/32`].map((address) => `address add ${address} dev ertlc0`),
        ...[`${own6}/64`, `${pool6}/128`].map((address) => `address add ${address} dev ertlc0 nodad`),
      ].join('\n'),
    });
    await runIp(client, [
      'link set lo up',
      'link set eth0 up',
      'address add 10.96.7.2/24 dev eth0',
      'address add fd00:96:7::2/64 dev eth0 nodad',
    ]);
    const settings = await world.settings({ gateways });
    const { address: _, ...listen } = settings.listen;
    const places = new Map([
      [`8080@${pool}`, `8080@${pool}`],
      [`8080@${pool6}`, `8080@${pool}`],
      ['8080@*', '8080@*'],
      ['81@*', '81@*'],
    ]);
    const backend = makeBackend('be_http:t:echo', [makeServer('echo', '127.0.0.1', await world.server('echo'))], {
      http: {},
    });
    const target = { kind: 'backend', backend: backend.id } as const;
    const echo: VirtualHost = {
      key: '81@*|echo.test',
      listener: 'gw/echo',
      rules: [{ path: { type: 'prefix', value: '/' }, conditions: [], target }],
    };
    const state: HttpState = makeState({
      backends: [backend],
      settings: { ...settings, listen: { ...listen, family: 'v4v6' } },
      gateways: {
        hosts: new Map([
          [echo.key, echo],
          nameOf(`8080@${pool}`, 'pool.test'),
          nameOf('8080@*', 'own.test'),
          nameOf('81@*', 'other.test'),
        ]),
        places,
        ports: new Map([
          ['61000', '8080'],
          ['61001', '81'],
        ]),
      },
    });
    await world.engine.start(state);
    assert.deepEqual(world.problems, []);
    rules.apply([{ addresses: [pool, pool6], port: 8080, to: 61_000 }]);
    rules.apply([
      { addresses: [pool, pool6], port: 8080, to: 61_000 },
      { addresses: [], port: 8080, to: 61_000 },
      { addresses: [], port: 81, to: 61_001 },
    ]);
  });

  after(async () => {
    rules.remove();
    execFileSync('ip', ['link', 'delete', 'ertlc0']);
    dropNamespaces([client]);
    await world.close();
  });

  /** Asks from the client, or from the node itself; returns where the answer leads, or how curl failed. */
  function ask(address: string, port: number, from: 'client' | 'node' = 'client'): string {
    const url = `http://${address.includes(':') ? `[${address}]` : address}:${port}/`;
    const words = ['-s', '-m', '10', '-o', '/dev/null', '-w', '%{redirect_url}', url];
    const { status, stdout } =
      from === 'node' ? spawnSync('curl', words) : spawnSync('ip', ['netns', 'exec', client, 'curl', ...words]);
    return status === 0 ? String(stdout) : `curl ${status}`;
  }

  for (const from of ['client', 'node'] as const) {
    it(`lets HAProxy see the address and port that a connection from the ${from} was for`, () => {
      const seen = [
        ask(pool, 8080, from),
        ask(pool6, 8080, from),
        ask(own, 8080, from),
        ask(own6, 8080, from),
        ask(own, 81, from),
        ask(own6, 81, from),
      ];
      const [atPool, atOwn, other] = ['http://pool.test:8080/', 'http://own.test:8080/', 'http://other.test:81/'];
      assert.deepEqual(seen, [atPool, atPool, atOwn, atOwn, other, other]);
    });

    it(`rejects connections from the ${from} to the ports of HAProxy, and to other ports of an address`, () => {
      const seen = [ask(pool, 61_000, from), ask(own6, 61_001, from), ask(own, 61_003, from), ask(pool, 81, from)];
      assert.deepEqual(seen, Array(4).fill('curl 7'));
    });
  }

  it('names the port of the listener to servers', async () => {
    const seen = await Promise.all(
      [own, `[${own6}]`].map(async (address) => {
        const words = ['-s', '-m', '10', '-H', 'host: echo.test', `http://${address}:81/`];
        const { headers } = JSON.parse(await runIn(client, 'curl', words)) as { headers: Record<string, string> };
        return headers['x-forwarded-port'];
      }),
    );
    assert.deepEqual(seen, ['81', '81']);
  });

  it('serves other ports at an own address of the node that a Gateway has requested', () => {
    const others = { addresses: [], port: 81, to: 61_001 };
    const place = { addresses: [own, own6], port: 8080, to: 61_000 };
    rules.apply([{ ...place, ofNode: true }, others]);
    const seen = [ask(own, 8080), ask(own6, 8080), ask(pool, 8080), ask(own, 81), ask(own6, 81)];
    const [atOwn, other] = ['http://own.test:8080/', 'http://other.test:81/'];
    assert.deepEqual(seen, [atOwn, atOwn, 'curl 7', other, other]);
  });

  it('replaces the rules of an earlier agent, and removes them', () => {
    const next = new ListenerRules('test', ports);
    next.apply([{ addresses: [], port: 8080, to: 61_000 }]);
    assert.deepEqual([ask(own, 8080), ask(own, 81)], ['http://own.test:8080/', 'curl 7']);
    next.remove();
    assert.equal(ask(own, 8080), 'curl 7');
  });
});
