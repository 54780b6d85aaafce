import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, it } from 'mocha';
import { RuntimeSocket } from '../../../../src/ingress/haproxy/socket.ts';
import { until } from '../../../until.ts';

describe('The runtime socket', () => {
  const folder = mkdtempSync(join(tmpdir(), 'haproxy-socket-'));
  const path = join(folder, 'admin.sock');
  const clients: Socket[] = [];
  let server: ChildProcess | undefined;

  after(() => {
    for (const client of clients) client.destroy();
    server?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  it('is reached although its queue was full', async () => {
    // Answers each line as HAProxy does, but accepts nothing while it is stopped.
    const program = `
      const server = require('node:net').createServer((socket) => {
        socket.on('error', () => {});
        socket.on('data', (text) => socket.write('\\n> '.repeat(String(text).split('\\n').length - 1)));
      });
      server.listen({ path: ${JSON.stringify(path)}, backlog: 1 }, () => console.log('listening'));`;
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    server = child;
    await once(child.stdout, 'data');
    child.kill('SIGSTOP');
    const codes: (string | undefined)[] = [];
    for (let i = 0; i < 8; i++) {
      const client = connect(path);
      clients.push(client);
      client.on('error', (error: NodeJS.ErrnoException) => void codes.push(error.code));
    }
    await until(
      () => codes.includes('EAGAIN'),
      () => codes,
    );
    const opening = RuntimeSocket.open(path);
    await sleep(200);
    child.kill('SIGCONT');
    const socket = await opening;
    assert.deepEqual(await socket.run(['show info']), ['']);
    socket.close();
  });

  it('is not awaited if nothing listens', async () => {
    await assert.rejects(RuntimeSocket.open(join(folder, 'none.sock')), /^SocketError: Cannot connect to /);
  });
});
