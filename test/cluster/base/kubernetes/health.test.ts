import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { executable } from '../../../lab/executable.ts';
import { until } from '../../../until.ts';
import { agentPaths } from '../../lab/agent-node.ts';
import { TestApiServer } from '../../lab/api-server.ts';
import { clusterPaths } from '../../lab/cluster.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';
import { Program } from '../../lab/program.ts';

const collections = [...new Set([...Object.values(agentPaths), ...Object.values(clusterPaths)])];
const programs = {
  'egress-router-controller': (port: number) => [
    '--pod-name',
    'me',
    '--listen-address',
    '127.0.0.1',
    '--listen-port',
    `${port}`,
  ],
  'ingress-agent': (port: number) => [
    '--dry-run',
    '--node-name',
    'n1',
    '--stats-address',
    '127.0.0.1',
    '--stats-port',
    `${port}`,
  ],
} as const;

for (const [name, optionsOf] of Object.entries(programs)) {
  describe(`${name} as built`, () => {
    let folder: string;
    let server: TestApiServer;
    let program: Program | undefined;
    let port: number;
    const sockets: Socket[] = [];
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'health-'));
      port = 20_000 + Math.floor(Math.random() * 10_000);
      server = new TestApiServer(collections);
    });
    afterEach(async () => {
      for (const socket of sockets.splice(0)) socket.destroy();
      await program?.end();
      await server.stop().catch(() => undefined);
      rmSync(folder, { recursive: true });
    });

    async function ask(path: string): Promise<string> {
      const signal = AbortSignal.timeout(1000);
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal }).catch(() => undefined);
      return response === undefined ? 'no answer' : `${response.status} ${(await response.text()).trim()}`;
    }

    async function answers(path: string, wanted: RegExp): Promise<void> {
      let last = '';
      for (const end = Date.now() + 5000; Date.now() < end; ) {
        last = await ask(path);
        if (wanted.test(last)) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assert.fail(`${path} answers ${last}: ${program?.output}`);
    }

    it('is alive before the API server answers, names what it waits for, and becomes ready', async () => {
      const url = await server.start();
      server.isSilent = true;
      program = new Program(executable(name), [...optionsOf(port), '--kubeconfig', writeKubeconfig(folder, url)]);
      await answers('/healthz', /^200 ok$/);
      await answers('/readyz', /^503 ./);
      server.put(clusterPaths.pods, {
        metadata: { namespace: 'default', name: 'me' },
        spec: { containers: [{ image: 'registry.example/router:1' }] },
      });
      server.isSilent = false;
      server.dropConnections();
      await answers('/readyz', /^200 ok$/);
      assert.equal(await program.end('SIGTERM'), 0);
    });

    it('answers probes while clients hold hundreds of slow connections', async () => {
      const url = await server.start();
      server.put(clusterPaths.pods, {
        metadata: { namespace: 'default', name: 'me' },
        spec: { containers: [{ image: 'registry.example/router:1' }] },
      });
      program = new Program(executable(name), [...optionsOf(port), '--kubeconfig', writeKubeconfig(folder, url)]);
      await answers('/readyz', /^200 ok$/);
      for (let count = 0; count < 400; count++) {
        const socket = connect(port, '127.0.0.1').on('error', () => undefined);
        if (count % 2 === 0) socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ');
        sockets.push(socket);
      }
      const drip = setInterval(() => sockets.forEach((socket) => void (socket.writable && socket.write('a'))), 200);
      try {
        for (let count = 0; count < 10; count++) {
          const begun = performance.now();
          assert.equal(await ask('/healthz'), '200 ok');
          assert.ok(performance.now() - begun < 500, 'the probe waited');
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
        // Those who hold connections lose them in the end, however often they send a little.
        await until(
          () => sockets.every(({ destroyed, readyState }) => destroyed || readyState !== 'open'),
          () => sockets.filter(({ readyState }) => readyState === 'open').length,
          8000,
        );
      } finally {
        clearInterval(drip);
      }
    }).timeout(20_000);
  });
}
