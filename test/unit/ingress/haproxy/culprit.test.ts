import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { findFault } from '../../../../src/ingress/haproxy/culprit.ts';
import type { HttpState } from '../../../../src/ingress/haproxy/model.ts';
import { noGateways, type VirtualHost } from '../../../../src/ingress/haproxy/rule.ts';
import { makeBackend, makeSite, makeState } from '../../../netns/ingress/haproxy/fixtures.ts';

describe('findFault', () => {
  const ids = ['be_http:t:a', 'be_http:t:b', 'be_http:t:c'];
  const hosts = ids.map((backend, index): VirtualHost => {
    const rule = {
      path: { type: 'prefix', value: '/' },
      conditions: [],
      target: { kind: 'backend', backend },
    } as const;
    return { key: `80@*|${index}.test`, listener: 'g/l', rules: [rule] };
  });
  const state: HttpState = {
    ...makeState({
      backends: ids.map((id) => makeBackend(id, [])),
      sites: ids.map((backend, index) => makeSite(`${index}.test`, { backend })),
    }),
    gateways: { ...noGateways, hosts: new Map(hosts.map((host) => [host.key, host])) },
  };
  const find = async (isBad: (state: HttpState) => boolean) =>
    (await findFault(state, async (some) => await Promise.resolve(!isBad(some))))?.refusal;

  for (const [index, id] of ids.entries()) {
    it(`finds the virtual host ${index}, whose rules need a backend`, async () => {
      const key = `80@*|${index}.test`;
      const isBad = ({ gateways, backends }: HttpState) => gateways.hosts.has(key) && backends.has(id);
      assert.deepEqual(await find(isBad), { kind: 'virtual host', name: key });
    });

    it(`finds the backend ${index}`, async () => {
      assert.deepEqual(await find(({ backends }) => backends.has(id)), { kind: 'backend', name: id });
    });
  }

  it('finds no culprit if the settings are at fault', async () => assert.equal(await find(() => true), undefined));
});
