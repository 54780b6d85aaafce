import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { accuse, findFault } from '../../../../src/ingress/haproxy/culprit.ts';
import type { HttpState } from '../../../../src/ingress/haproxy/model.ts';
import { noGateways, type VirtualHost } from '../../../../src/ingress/haproxy/rule.ts';
import { makeBackend, makeSite, makeState } from '../../../netns/ingress/haproxy/fixtures.ts';

describe('accuse', () => {
  it('names backends by line, and renders a file once for all alerts', () => {
    let count = 0;
    const file = 'conf/30-backends-07.cfg';
    const content = () => {
      count++;
      return [
        '# Comment\n',
        'backend be_http:t:a from http\n  x\n  y\n\n',
        'backend spare-1 from http # be_http:t:b\n  z\n',
      ];
    };
    const ids = ['be_http:t:a', 'be_http:t:b'];
    const state = makeState({ backends: ids.map((id) => makeBackend(id, [])) });
    const alert = (line: number) => `parsing [/run/x/gen-1/${file}:${line}] : unknown keyword`;
    const blame = (...lines: readonly number[]) =>
      [...accuse(lines.map(alert), new Map([[file, content]]), state).values()].map(({ name }) => name);
    assert.deepEqual([blame(1), blame(2), blame(4), blame(6), blame(7)], [[], [ids[0]], [ids[0]], [ids[1]], [ids[1]]]);
    count = 0;
    assert.deepEqual(blame(...Array.from({ length: 100 }, (_, index) => index)), ids);
    assert.equal(count, 1);
    assert.deepEqual([...accuse(['parsing [/run/x/conf/20-frontends.cfg:3] : no'], new Map(), state)], []);
  });
});

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
