import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { HttpNode } from '../../../lab/http-node.ts';
import { route, service } from './objects.ts';

describe('The status page of the compiled agent in a browser', () => {
  let node: HttpNode;

  beforeEach(async function () {
    this.timeout(30_000);
    node = new HttpNode('erpage', { ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms', ROUTER_MAX_SHUTDOWN_TIMEOUT: '1s' });
    await node.up();
    await node.serve({ name: 's8001', port: 8001 });
  });
  afterEach(async () => {
    await node.end('SIGTERM');
    node.down();
  });

  it('shows Routes, ports, endpoints, rejected claims and HAProxy, and runs no script of a tenant', async () => {
    const script = '/<script>document.title=1</script>';
    node.write('services', ...service('web', [8001]));
    node.write(
      'routes',
      route('web', 'web.test', { spec: { path: '/cart' } }),
      route('old', 'taken.test', { age: 1 }),
      route('young', 'taken.test', { namespace: 'bank', age: 2 }),
      route('port', undefined, { annotations: { 'external-tcp-port': '13306' } }),
      route('script', 'script.test', { spec: { path: script } }),
      route('empty', 'empty.test', { service: 'missing' }),
    );
    await node.start('--cleanup-on-exit');
    await node.expectStatus('web', 'True');
    const page = await node.ask('http', 'localhost', '/', { address: '127.0.0.1', port: 1936 });
    assert.match(String(page.headers['content-security-policy']), /^default-src 'none'/);
    const screenshot = process.env.SCREENSHOT;
    const options = ['--headless', '--no-sandbox', '--disable-gpu', `--user-data-dir=${join(node.folder, 'browser')}`];
    const browse = (...more: string[]) =>
      execFileSync('ip', ['netns', 'exec', 'erpage', 'chromium', ...options, ...more, 'http://127.0.0.1:1936/'], {
        stdio: ['ignore', 'pipe', 'ignore'],
        env: { ...process.env, HOME: node.folder, XDG_RUNTIME_DIR: node.folder },
      }).toString();
    if (screenshot !== undefined) browse(`--screenshot=${screenshot}`, '--window-size=1200,1500');
    const dom = browse('--dump-dom');
    for (const text of [
      'Ready',
      'web.test/cart',
      '10.97.0.1:8001',
      '13306/tcp',
      'HostAlreadyClaimed',
      'taken.test',
      '&lt;script&gt;',
      'running as process',
    ]) {
      assert.ok(dom.includes(text), `${text} is missing in ${dom.slice(0, 4000)}`);
    }
    assert.match(dom, /<title>Ingress agent on /);
  }).timeout(60_000);
});
