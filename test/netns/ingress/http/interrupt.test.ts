import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { HttpNode } from '../../../lab/http-node.ts';
import { route, service } from './objects.ts';

describe('the shutdown of the ingress agent and its HAProxy', () => {
  let node: HttpNode;
  beforeEach(async () => {
    // Nothing that waits for connections may keep a person waiting.
    node = new HttpNode('erht-interrupt', { ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1h' });
    await node.up();
    await node.serve({ name: 'web', port: 8001 });
    node.write('shop', route('web', 'shop.example'), ...service('web', [8001]));
    await node.start();
    assert.equal((await node.ask('http', 'shop.example', '/')).status, 200);
  });
  afterEach(async () => {
    // Adopts HAProxy where it still runs, and ends it.
    node.launch('--cleanup-on-exit');
    await node.ready();
    await node.end('SIGINT');
    node.down();
  });

  it('stops HAProxy with the agent on Ctrl-C', async () => {
    await node.end('SIGINT');
    assert.match((await node.ask('http', 'shop.example', '/')).error ?? '', /ECONNREFUSED/);
  });

  it('leaves HAProxy to the next agent when a supervisor stops this one', async () => {
    await node.end('SIGTERM');
    assert.equal((await node.ask('http', 'shop.example', '/')).status, 200);
  });
});
