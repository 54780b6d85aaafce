import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'mocha';
import { TestAuthority } from '../../../lab/certificates.ts';
import { executable } from '../../../lab/executable.ts';
import { until } from '../../../until.ts';
import { agentPaths } from '../../lab/agent-node.ts';
import { clientNameOf, type ServerWords, TestApiServer } from '../../lab/api-server.ts';
import { clusterPaths } from '../../lab/cluster.ts';
import { type KubeconfigWords, writeKubeconfig } from '../../lab/kubeconfig.ts';
import { Program } from '../../lab/program.ts';

const collections = [...new Set([...Object.values(agentPaths), ...Object.values(clusterPaths)])];
const authority = new TestAuthority('cluster-ca');
const hosts = ['127.0.0.1', '::1', 'kubernetes.default.svc'];
const serving = authority.issue({ name: 'kube-apiserver', hosts });
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const trusted = { 'certificate-authority-data': base64(authority.certificate) };
const bearer =
  (token: string) =>
  ({ headers }: IncomingMessage): boolean =>
    headers.authorization === `Bearer ${token}`;

/** One way to reach a server, and what must come of it. */
interface Case {
  readonly name: string;
  readonly server?: ServerWords;
  /** Absent: the account of a pod. */
  readonly kubeconfig?: (place: Place) => KubeconfigWords;
  /** Absent: it works. */
  readonly refusal?: RegExp;
}

/** Where a case's files are. */
interface Place {
  readonly folder: string;
  readonly proxy: number;
  readonly write: (name: string, text: string) => string;
}

const plugin = (words: object): string =>
  `#!/bin/sh\necho '${JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: words })}'\n`;
const exec = (command: string): object => ({ exec: { apiVersion: 'client.authentication.k8s.io/v1', command } });
const expired = new Date(Date.now() - 3_600_000);

const cases: readonly Case[] = [
  { name: 'its own authority in the kubeconfig, and a token', kubeconfig: () => ({ cluster: trusted }) },
  {
    name: 'its own authority and a token in files beside the kubeconfig',
    kubeconfig: ({ write }) => {
      write('ca.crt', authority.certificate);
      write('token', 'secret\n');
      return { cluster: { 'certificate-authority': 'ca.crt' }, user: { tokenFile: 'token' } };
    },
  },
  {
    name: 'another name for its certificate',
    server: { tls: authority.issue({ name: 'api', hosts: ['api.example'] }) },
    kubeconfig: () => ({ cluster: { ...trusted, 'tls-server-name': 'api.example' } }),
  },
  {
    name: 'a certificate that the client does not verify',
    server: { tls: new TestAuthority('other').issue({ name: 'x' }) },
    kubeconfig: () => ({ cluster: { 'insecure-skip-tls-verify': true } }),
  },
  {
    name: 'a client certificate',
    server: {
      tls: { ...serving, clientAuthority: authority.certificate },
      admits: (request) => clientNameOf(request) === 'router',
    },
    kubeconfig: () => {
      const { certificate, key } = authority.issue({ name: 'router', organisation: 'system:masters' });
      const user = { 'client-certificate-data': base64(certificate), 'client-key-data': base64(key) };
      return { cluster: trusted, user };
    },
  },
  {
    name: 'username and password',
    server: { admits: ({ headers }) => headers.authorization === `Basic ${base64('me:p:w')}` },
    kubeconfig: () => ({ cluster: trusted, user: { username: 'me', password: 'p:w' } }),
  },
  {
    name: 'a credential plugin',
    kubeconfig: ({ write }) => {
      chmodSync(write('plugin', plugin({ token: 'secret' })), 0o755);
      return { cluster: trusted, user: exec('./plugin') };
    },
  },
  {
    name: 'a proxy',
    kubeconfig: ({ proxy }) => ({ cluster: { ...trusted, 'proxy-url': `http://me:pw@127.0.0.1:${proxy}` } }),
  },
  { name: 'an IPv6 address', server: { address: '::1' }, kubeconfig: () => ({ cluster: trusted }) },
  { name: 'the account of a pod' },
  { name: 'the account of a pod, by IPv6', server: { address: '::1' } },
  {
    name: 'an authority that it does not know',
    server: { tls: new TestAuthority('other-ca').issue({ name: 'apiserver', hosts }) },
    kubeconfig: () => ({ cluster: trusted }),
    refusal:
      /127\.0\.0\.1:\d+ presents the certificate "CN=apiserver" \(issued by "CN=other-ca", valid until .*\): it is not signed by an authority in certificate-authority-data of clusters "c" of kubeconfig .*, which contains CN=cluster-ca/,
  },
  {
    name: 'an authority in a file of an account that is not its own',
    server: { tls: new TestAuthority('other-ca').issue({ name: 'apiserver', hosts }) },
    refusal: /it is not signed by an authority in \/var\/run\/secrets\/kubernetes.io\/serviceaccount\/ca.crt/,
  },
  {
    name: 'no authority at all',
    kubeconfig: () => ({ cluster: {} }),
    refusal: /not signed by an authority in the system's authorities .*; add certificate-authority-data to kubeconfig/,
  },
  {
    name: 'a certificate for other names',
    server: { tls: authority.issue({ name: 'apiserver', hosts: ['10.0.0.1', 'api.example'] }) },
    kubeconfig: () => ({ cluster: trusted }),
    refusal: /"CN=apiserver" .*: it is for 10\.0\.0\.1, api\.example, not for 127\.0\.0\.1; set tls-server-name/,
  },
  {
    name: 'a certificate that has expired',
    server: { tls: authority.issue({ name: 'apiserver', hosts, until: expired }) },
    kubeconfig: () => ({ cluster: trusted }),
    refusal: new RegExp(`"CN=apiserver" .*: it expired on ${expired.toISOString().slice(0, 19)}Z; renew it`),
  },
  {
    name: 'a certificate of tomorrow',
    server: { tls: authority.issue({ name: 'apiserver', hosts, from: new Date(Date.now() + 3_600_000) }) },
    kubeconfig: () => ({ cluster: trusted }),
    refusal: /: it is not valid before .*; correct the clock of this node/,
  },
  {
    name: 'a token that the server does not accept',
    kubeconfig: ({ write }) => ({ cluster: trusted, user: { tokenFile: write('token', 'wrong') } }),
    refusal: /401 Unauthorized: the server does not accept the token in .*\/token/,
  },
  {
    name: 'a proxy that asks for a password',
    kubeconfig: ({ proxy }) => ({ cluster: { ...trusted, 'proxy-url': `http://127.0.0.1:${proxy}` } }),
    refusal: /proxy http:\/\/127\.0\.0\.1:\d+ does not connect to 127\.0\.0\.1:\d+: 407 .*write USER:PASSWORD@ into/,
  },
  {
    name: 'a credential plugin that fails',
    kubeconfig: ({ write }) => {
      chmodSync(write('plugin', '#!/bin/sh\necho no ticket >&2\nexit 3\n'), 0o755);
      return { cluster: trusted, user: exec('./plugin') };
    },
    refusal: /Cannot get credentials from .*\/plugin: no ticket/,
  },
];

const programs = {
  'egress-router-controller': ['--image', 'registry.example/egress-router:1', '--listen-port', '0'],
  'ingress-agent': ['--dry-run', '--node-name', 'n1', '--stats-port', '0'],
} as const;

for (const [name, options] of Object.entries(programs)) {
  describe(`${name} as built, and an API server with`, () => {
    let folder: string;
    let server: TestApiServer | undefined;
    let program: Program | undefined;
    let proxy: Server;

    before(async () => {
      proxy = createServer().on('connect', forward);
      proxy.listen(0, '127.0.0.1');
      await once(proxy, 'listening');
    });
    after(() => void proxy.close());
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'tls-'));
    });
    afterEach(async () => {
      await program?.end();
      await server?.stop();
      rmSync(folder, { recursive: true });
    });

    async function start({ server: words = {}, kubeconfig }: Case): Promise<[TestApiServer, Program]> {
      const made = new TestApiServer(collections, { tls: serving, admits: bearer('secret'), ...words });
      server = made;
      const url = await made.start();
      const write = (file: string, text: string): string => {
        writeFileSync(join(folder, file), text);
        return join(folder, file);
      };
      if (kubeconfig !== undefined) {
        const place = { folder, proxy: (proxy.address() as AddressInfo).port, write };
        const path = writeKubeconfig(folder, url, kubeconfig(place));
        return [made, new Program(executable(name), [...options, '--kubeconfig', path])];
      }
      mkdirSync(join(folder, 'account'));
      write('account/ca.crt', authority.certificate);
      write('account/token', 'secret');
      const environment = {
        KUBERNETES_SERVICE_HOST: new URL(url).hostname.replace(/[[\]]/g, ''),
        KUBERNETES_SERVICE_PORT: new URL(url).port,
      };
      return [made, new Program(executable(name), options, environment, join(folder, 'account'))];
    }

    for (const one of cases) {
      it(one.name, async () => {
        const [made, running] = await start(one);
        program = running;
        const { refusal } = one;
        if (refusal !== undefined) {
          await until(
            () => refusal.test(running.output),
            () => running.output,
            5000,
          );
          assert.deepEqual(made.requests, []);
          assert.doesNotMatch(running.output, /secret\b|me:pw|BEGIN/);
          return;
        }
        // A watch is a request that was let in after a list.
        await until(
          () => made.watchCount > 0,
          () => [running.output, made.requests],
          5000,
        );
      });
    }

    it('a token in a file that is replaced after the server rejected the old one', async () => {
      let accepted = 'old';
      const [made, running] = await start({
        name: '',
        server: { admits: ({ headers }) => headers.authorization === `Bearer ${accepted}` },
        kubeconfig: ({ write }) => ({ cluster: trusted, user: { tokenFile: write('token', 'old') } }),
      });
      program = running;
      await until(
        () => made.watchCount > 0,
        () => running.output,
        5000,
      );
      writeFileSync(join(folder, 'token'), 'new');
      accepted = 'new';
      made.requests.length = 0;
      made.dropWatches();
      await until(
        () => made.watchCount > 0 && made.refusals > 0,
        () => [made.requests, running.output],
        5000,
      );
      assert.doesNotMatch(running.output, /401 Unauthorized/);
    });
  });
}

/** A proxy that asks for a password. */
function forward(request: IncomingMessage, client: Socket, head: Buffer): void {
  client.on('error', () => client.destroy());
  if (request.headers['proxy-authorization'] !== `Basic ${base64('me:pw')}`) {
    client.end('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n');
    return;
  }
  const { hostname, port } = new URL(`http://${request.url}`);
  const upstream = connect(Number(port), hostname.replace(/[[\]]/g, ''), () => {
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    upstream.write(head);
    upstream.pipe(client).pipe(upstream);
  });
  upstream.on('error', () => client.destroy());
  client.on('close', () => upstream.destroy());
}
