import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import type { Backend, HttpBackend, HttpState } from '../../../../src/ingress/haproxy/model.ts';
import { makeBackend, makeServer, makeSite, makeState } from './fixtures.ts';
import { World } from './world.ts';

const gateways = { ports: { http: { from: 61_000, to: 61_001 }, tls: { from: 61_002, to: 61_003 } }, inner: 1 };
const id = 'be_http:t:filters';
const value = ` %[src] "'\\ ;ü%41#`;

describe('Filters of a real HAProxy', () => {
  const world = new World();
  let state: HttpState;
  let backend: Backend;
  after(() => world.close());

  before(async () => {
    const port = await world.server('a');
    backend = makeBackend(id, [makeServer('a', '127.0.0.1', port)], {
      http: {
        requestEdits: { set: [{ name: 'X-Set', value }], add: [{ name: 'x-add', value: 'b' }], remove: ['X-Remove'] },
        responseEdits: { set: [{ name: 'x-answer', value: 'y' }], add: [], remove: ['x-secret'] },
        rewriteHost: 'inner.test',
        rewrite: { prefix: '/old', target: '/new' },
      },
    });
    state = makeState({
      settings: await world.settings({ gateways }),
      backends: [backend],
      sites: [makeSite('filters.test', { backend: id })],
    });
    const outcome = await world.engine.start(state);
    assert.deepEqual([outcome.refused, world.problems], [[], []]);
  });

  it('sets, adds and removes headers with literal values, and replaces host and path', async () => {
    const { echo, headers } = await world.get('filters.test', '/old/x?y', {
      'x-set': 'client',
      'x-add': 'a',
      'x-remove': 'client',
      'x-kept': 'client',
      'x-answer': JSON.stringify({ 'x-secret': '1' }),
    });
    const seen = echo?.headers ?? {};
    assert.deepEqual(
      ['x-set', 'x-add', 'x-remove', 'x-kept', 'host', 'x-forwarded-host'].map((name) => seen[name]),
      [Buffer.from(value.trim()).toString('latin1'), 'a, b', undefined, 'client', 'inner.test', 'filters.test'],
    );
    assert.deepEqual([echo?.url, headers['x-answer'], headers['x-secret']], ['/new/x?y', 'y', undefined]);
  });

  it('changes them without a reload, except for a header that no backend has changed', async () => {
    const { pid } = await world.engine.describe();
    await change({ requestEdits: { set: [{ name: 'x-add', value: 'only' }], add: [], remove: ['x-set'] } });
    const { echo } = await world.get('filters.test', '/', { 'x-set': 'client', 'x-remove': 'client' });
    assert.deepEqual(
      [echo?.headers['x-add'], echo?.headers['x-set'], echo?.headers['x-remove']],
      ['only', undefined, 'client'],
    );
    assert.equal((await world.engine.describe()).pid, pid);
    const reloaded = new Promise<void>((resolve) => world.once(resolve));
    const edits = { set: [{ name: 'x-new', value: 'new' }], add: [], remove: [] };
    assert.deepEqual(await change({ requestEdits: edits }, false), [['header', [id]]]);
    assert.equal((await world.get('filters.test', '/')).echo?.headers['x-add'], 'only');
    await reloaded;
    assert.equal((await world.get('filters.test', '/')).echo?.headers['x-new'], 'new');
  });

  it('adds each cookie in a line of its own, after one that is set', async () => {
    const cookie = (value: string) => ({ name: 'Set-Cookie', value });
    const reloaded = new Promise<void>((resolve) => world.once(resolve));
    const add = [cookie('b=2, x'), cookie('c=3')];
    await change({ responseEdits: { set: [cookie('a=1')], add, remove: [] } }, false);
    await reloaded;
    const ask = async () => (await world.get('filters.test', '/', { 'x-answer': '{"set-cookie":"s=0"}' })).headers;
    assert.deepEqual((await ask())['set-cookie'], ['a=1', 'b=2, x', 'c=3']);
    await change({ responseEdits: { set: [], add, remove: [] } });
    assert.deepEqual((await ask())['set-cookie'], ['s=0', 'b=2, x', 'c=3']);
  });

  it('rejects headers that describe the connection or the body, and line ends', async () => {
    for (const [name, text] of [
      ['Content-Length', '1'],
      ['transfer-encoding', 'chunked'],
      ['Egress-Router-Hop', '0'],
      ['x', 'a\r\nb: c'],
      ['x y', 'a'],
    ] as const) {
      const http: HttpBackend = { requestEdits: { set: [{ name, value: text }], add: [], remove: [] } };
      const outcome = await world.engine.apply({ ...state, backends: new Map([[id, { ...backend, http }]]) });
      assert.deepEqual(
        outcome.refused.map((one) => one.name),
        [id],
      );
    }
  });

  async function change(http: HttpBackend, isDone = true): Promise<readonly (readonly [string, readonly string[]])[]> {
    state = { ...state, backends: new Map([[id, { ...backend, http }]]) };
    const { refused, waiting } = await world.engine.apply(state);
    assert.deepEqual(refused, []);
    if (isDone) assert.deepEqual([...waiting], []);
    return [...waiting];
  }
});
