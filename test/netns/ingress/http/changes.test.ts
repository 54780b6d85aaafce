import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { TestAuthority } from '../../../lab/certificates.ts';
import { HttpNode } from '../../../lab/http-node.ts';
import { route, service } from './objects.ts';

const authority = new TestAuthority('ercl authority');
const websocket = [
  'GET /socket HTTP/1.1',
  'Host: web.test',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  '\r\n',
].join('\r\n');

describe('changes of hosts and paths in the compiled agent', () => {
  let node: HttpNode;

  beforeEach(async function () {
    this.timeout(30_000);
    node = new HttpNode('ercl', {
      RELOAD_INTERVAL: '1s',
      ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms',
      ROUTER_MAX_SHUTDOWN_TIMEOUT: '1s',
    });
    await node.up();
    for (const port of [8001, 8002]) await node.serve({ name: `s${port}`, port });
    node.write('services', ...service('web', [8001]));
    node.write('web', route('web', 'web.test'));
    await node.start('--cleanup-on-exit');
  });
  afterEach(async () => {
    await node.end('SIGTERM');
    node.down();
  });

  async function serverOf(host: string, scheme: 'http' | 'https' = 'http'): Promise<string> {
    const { echo, status, error } = await node.ask(scheme, host, '/');
    return echo?.server ?? error ?? `${status}`;
  }

  async function expectServer(host: string, server: string, scheme: 'http' | 'https' = 'http'): Promise<void> {
    let last = '';
    for (const deadline = Date.now() + 5000; Date.now() < deadline; ) {
      last = await serverOf(host, scheme);
      if (last === server) return;
    }
    assert.equal(last, server, node.log.slice(-2000));
  }

  async function readiness(): Promise<string> {
    return (await node.ask('http', 'localhost', '/readyz', { address: '127.0.0.1', port: 1936 })).body;
  }

  /** How often HAProxy was reloaded, for whatever reason. */
  async function countReloads(): Promise<number> {
    const { body } = await node.ask('http', 'localhost', '/metrics', { address: '127.0.0.1', port: 1936 });
    const counts = body.matchAll(/^egress_router_ingress_haproxy_reloads\{[^}]*\} (\d+)$/gm);
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  it('applies new Routes, endpoints, certificates and annotations without a reload, and keeps WebSockets', async () => {
    assert.match((await node.raw(websocket, 'socket')).body, /^HTTP\/1.1 101/);
    node.write('new', route('new', 'new.test'), route('late', 'late.test', { spec: { path: '/x' } }));
    await expectServer('new.test', 's8001');
    node.write('services', ...service('web', [8001, 8002]));
    node.write('new', route('new', 'new.test', { service: 'two' }), ...service('two', [8002]));
    await expectServer('new.test', 's8002');
    for (const name of ['first.test', 'second.test']) {
      const { certificate, key } = authority.issue({ name, hosts: ['tls.test'] });
      node.write('tls', route('tls', 'tls.test', { spec: { tls: { termination: 'edge', certificate, key } } }));
      await expectServer('tls.test', 's8001', 'https').catch(() => expectServer('tls.test', 's8002', 'https'));
      for (const deadline = Date.now() + 3000; Date.now() < deadline; ) {
        if ((await node.ask('https', 'tls.test', '/')).subject === name) break;
      }
      assert.equal((await node.ask('https', 'tls.test', '/')).subject, name);
    }
    node.write(
      'new',
      route('new', 'new.test', { service: 'two', annotations: { ip_allowlist: '192.0.2.1' } }),
      ...service('two', [8002]),
    );
    await expectServer('new.test', 'ECONNRESET').catch(() => expectServer('new.test', 'socket hang up'));
    node.remove('new');
    await expectServer('new.test', '503');
    assert.equal(await node.say('socket', 'still here'), 'still here');
    assert.equal(await countReloads(), 0, node.log);
  }).timeout(30_000);

  it('is adopted by the next agent after kill -9 without a reload, and keeps WebSockets', async () => {
    assert.match((await node.raw(websocket, 'socket')).body, /^HTTP\/1.1 101/);
    await node.end('SIGKILL');
    assert.equal(await serverOf('web.test'), 's8001');
    node.write('more', route('more', 'more.test'));
    await node.start('--cleanup-on-exit');
    await expectServer('more.test', 's8001');
    assert.equal(await node.say('socket', 'still here'), 'still here');
    assert.equal(await countReloads(), 0, node.log);
  }).timeout(30_000);

  it('reports a change that waits because its namespace has no reload budget, and admits nothing early', async () => {
    const withHeader = (name: string, value: string) =>
      route(name, `${name}.test`, {
        spec: { httpHeaders: { actions: { response: [{ name: 'x-seen', action: { type: 'Set', set: { value } } }] } } },
      });
    const seen = async () => (await node.ask('http', 'busy.test', '/')).headers['x-seen'];
    // Every namespace has five reloads at once.
    for (const value of ['1', '2', '3', '4', '5']) {
      node.write('busy', withHeader('busy', value));
      for (const deadline = Date.now() + 5000; (await seen()) !== value && Date.now() < deadline; );
      assert.equal(await seen(), value);
    }
    await node.expectStatus('busy', 'True');
    node.write('busy', withHeader('busy', '6'), withHeader('later', '1'));
    await node.expectStatus('later', 'False Pending');
    assert.match(node.status('later')?.message ?? '', /^not served yet: .* namespace has used up its reloads/);
    assert.equal(node.status('busy')?.verdict, 'True');
    assert.match(node.status('busy')?.message ?? '', /last change is not in force yet: .* used up its reloads/);
    assert.deepEqual([await seen(), await serverOf('later.test')], ['5', '503']);
    const { body } = await node.ask('http', 'localhost', '/claims', { address: '127.0.0.1', port: 1936 });
    // biome-ignore lint/suspicious/noExplicitAny: the document's own shape
    const claims = (JSON.parse(body).claims as any[]).filter(({ name }) => name === 'busy' || name === 'later');
    assert.deepEqual(
      claims.map(({ name, admitted, reason, message }) => [
        name,
        admitted,
        reason,
        /used up its reloads/.test(message),
      ]),
      [
        ['busy', true, undefined, true],
        ['later', false, 'Pending', true],
      ],
    );
    // A change of another namespace does not wait, and its reload includes the waiting ones.
    const words = {
      namespace: 'other',
      spec: { ...(withHeader('x', '1') as { spec: object }).spec, host: 'other.test' },
    };
    node.write('other', ...service('web', [8001], { namespace: 'other' }), route('other', 'other.test', words));
    await node.expectStatus('later', 'True');
    await node.expectStatus('other', 'True', 'other');
    assert.deepEqual([await seen(), await serverOf('later.test')], ['6', 's8001']);
  }).timeout(60_000);

  it('is reported healthy by erctl inspect --ingress', async () => {
    const { body } = await node.ask('http', 'localhost', '/haproxy', { address: '127.0.0.1', port: 1936 });
    const { problems, workers, oldWorkers, version } = JSON.parse(body);
    assert.deepEqual([problems, workers, oldWorkers], [[], 1, 0]);
    assert.match(version, /^\d+\.\d+/);
  }).timeout(30_000);

  it('recovers after HAProxy was killed, and is ready again without any other change', async () => {
    const pid = readFileSync(findPidOf('haproxy', node.folder), 'utf8');
    process.kill(Number(pid), 'SIGKILL');
    await expectServer('web.test', 's8001');
    let last = '';
    for (const deadline = Date.now() + 5000; Date.now() < deadline && last !== 'ok'; )
      last = (await readiness()).trim();
    assert.equal(last, 'ok');
  }).timeout(30_000);

  it('stays ready while a Route’s certificate is rejected that HAProxy would reject, and reports why', async () => {
    const words = 'req -x509 -newkey rsa:1024 -nodes -days 2 -keyout - -out - -subj /CN=short.test';
    const certificate = execFileSync('/usr/bin/openssl', words.split(' '), { stdio: ['ignore', 'pipe', 'ignore'] });
    const tls = { termination: 'edge', certificate: certificate.toString() };
    node.write('short', route('short', 'short.test', { spec: { tls } }));
    for (const deadline = Date.now() + 8000; Date.now() < deadline; ) {
      assert.equal((await readiness()).trim(), 'ok');
      if (node.status('short')?.verdict === 'False ExtendedValidationFailed') break;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.match(node.status('short')?.message ?? '', /of 2048 to \d+ bits/);
    await expectServer('web.test', 's8001');
  }).timeout(30_000);

  it('rejects keys that would slow down every handshake, and DSA keys, which complete none', async () => {
    const run = (words: string) =>
      execFileSync('/usr/bin/openssl', words.split(' '), { stdio: ['ignore', 'pipe', 'ignore'] }).toString();
    const tls = (name: string, pem: string) =>
      node.write(name, route(name, `${name}.test`, { spec: { tls: { termination: 'edge', certificate: pem } } }));
    tls('large', run('req -x509 -newkey rsa:5120 -nodes -days 2 -keyout - -out - -subj /CN=large.test'));
    const key = join(node.folder, 'dsa.key');
    run(`genpkey -genparam -algorithm DSA -pkeyopt dsa_paramgen_bits:2048 -out ${key}.parameters`);
    run(`genpkey -paramfile ${key}.parameters -out ${key}`);
    tls('dsa', `${run(`req -x509 -key ${key} -days 2 -subj /CN=dsa.test`)}${readFileSync(key, 'utf8')}`);
    for (const [name, message] of [
      ['large', /an RSA key of 5120 bits.*--max-rsa-bits/],
      ['dsa', /\(a(?: DSA key| key of an unknown kind)\): must have a key of RSA/],
    ] as const) {
      for (const deadline = Date.now() + 8000; Date.now() < deadline && node.status(name) === undefined; )
        await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(node.status(name)?.verdict, 'False ExtendedValidationFailed');
      assert.match(node.status(name)?.message ?? '', message);
    }
    await expectServer('web.test', 's8001');
  }).timeout(60_000);

  it('does not change what is served if the directory of manifests has an invalid file', async () => {
    writeFileSync(join(node.manifests, 'web.json'), '{');
    node.write('more', route('more', 'more.test'));
    await expectServer('more.test', 's8001');
    assert.equal(await serverOf('web.test'), 's8001');
  }).timeout(30_000);

  it('gives a host to the older Route, and to the younger one when that is deleted', async () => {
    node.write('young', route('young', 'shared.test', { age: 9 }), ...service('two', [8002]));
    await expectServer('shared.test', 's8001');
    node.write('old', route('old', 'shared.test', { age: 1, service: 'two' }));
    await expectServer('shared.test', 's8002');
    await node.expectStatus('young', 'False HostAlreadyClaimed');
    node.remove('old');
    await expectServer('shared.test', 's8001');
    await node.expectStatus('young', 'True');
  }).timeout(30_000);
});

/** A file with the number of HAProxy's master: of the process that runs by files of a folder. */
function findPidOf(name: string, folder: string): string {
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      const [, parent = '0'] = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
      const isMaster = !readFileSync(`/proc/${parent}/cmdline`, 'utf8').includes('-W\0');
      if (words.includes(name) && words.includes(folder) && words.includes('-W\0') && isMaster) {
        writeFileSync(join(folder, 'pid'), pid);
        return join(folder, 'pid');
      }
    } catch {
      // It has ended meanwhile.
    }
  }
  throw new Error('HAProxy does not run');
}
