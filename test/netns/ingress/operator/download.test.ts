import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'mocha';
import { type Prefix, parsePrefix } from '../../../../src/base/model/address.ts';
import { download, largestList, type Resolve } from '../../../../src/ingress/operator/crl/download.ts';
import { planRevocation } from '../../../../src/ingress/operator/crl/issuers.ts';
import { RevocationLists, type RevocationState } from '../../../../src/ingress/operator/crl/lists.ts';
import { TestAuthority } from '../../../lab/certificates.ts';
import { OpensslAuthority } from '../../../lab/openssl-authority.ts';
import { until } from '../../../until.ts';

/** An address that is neither loopback nor link-local, on this machine. */
const address = '10.99.0.1';
const end = new AbortController();

async function serve(answer: RequestListener, secure?: { readonly cert: string; readonly key: string }) {
  const server = secure === undefined ? createServer(answer) : createSecureServer(secure, answer);
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

function close(server: Server): void {
  server.closeAllConnections();
  server.close();
}

function networks(...texts: readonly string[]): readonly Prefix[] {
  return texts.map((text) => parsePrefix(text) as Prefix);
}

describe('Downloads of revocation lists', function () {
  this.timeout(30_000);
  const authority = new TestAuthority('Servers');
  const seen: { readonly request: IncomingMessage; readonly at: string | undefined }[] = [];
  let [port, securePort] = [0, 0];
  let servers: readonly Server[] = [];
  let streamed = 0;

  before(async () => {
    execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
    const answer: RequestListener = (request, response) => {
      seen.push({ request, at: request.socket.localAddress });
      switch (request.url) {
        case '/endless': {
          const more = (): void => {
            while (!response.destroyed && streamed < 64 * 1024 * 1024) {
              streamed += 65_536;
              if (!response.write(Buffer.alloc(65_536))) return void response.once('drain', more);
            }
            response.end();
          };
          return more();
        }
        case '/silent':
          return;
        case '/drip': {
          const timer = setInterval(() => response.write('x'), 50);
          return void response.once('close', () => clearInterval(timer));
        }
        case '/redirect':
          return void response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data' }).end();
        case '/back':
          return void response.writeHead(307, { location: '/list' }).end();
        case '/cut':
          response.writeHead(200, { 'content-length': '100' }).write('x');
          return void setTimeout(() => response.destroy(), 50);
        case '/huge':
          return void response.writeHead(200, { 'content-length': `${largestList + 1}` }).write('x');
        case '/full':
          return void response.end(Buffer.alloc(largestList));
        case '/list?x=1':
          return void response.end('list');
        default:
          return void response.writeHead(404).end('secret');
      }
    };
    const plain = await serve(answer);
    const { certificate: cert, key } = authority.issue({ name: 'crl.test', hosts: ['crl.test', address] });
    const secure = await serve(answer, { cert, key });
    [port, securePort] = [plain.port, secure.port];
    servers = [plain.server, secure.server];
  });
  after(() => {
    servers.forEach(close);
    execFileSync('ip', ['address', 'del', `${address}/32`, 'dev', 'lo']);
  });

  const get = (
    url: string,
    {
      resolve,
      forbidden = [],
      timeout = 5000,
      ca = '',
    }: { resolve?: Resolve; forbidden?: readonly Prefix[]; timeout?: number; ca?: string } = {},
  ) => download(url, ca, { forbidden, timeout, ...(resolve !== undefined && { resolve }) }, end.signal);

  it('ask the server by its name, once, without credentials', async () => {
    seen.length = 0;
    const resolved: string[] = [];
    const resolve: Resolve = (host) => {
      resolved.push(host);
      // A second answer would be another one.
      return Promise.resolve(resolved.length === 1 ? [address] : ['127.0.0.1']);
    };
    assert.equal((await get(`http://crl.test:${port}/list?x=1`, { resolve })).toString(), 'list');
    assert.deepEqual(resolved, ['crl.test']);
    assert.deepEqual(
      seen.map(({ request: { method, headers }, at }) => [
        method,
        headers.host,
        headers.authorization,
        headers.cookie,
        at,
      ]),
      [['GET', `crl.test:${port}`, undefined, undefined, address]],
    );
    assert.equal((await get(`http://${address}:${port}/full`)).length, largestList);
  });

  it('verify the certificate of the server, also with the authorities of the bundle', async () => {
    const resolve: Resolve = () => Promise.resolve([address]);
    const ca = authority.certificate;
    for (const host of ['crl.test', address]) {
      const url = `https://${host}:${securePort}/list?x=1`;
      assert.equal((await get(url, { resolve, ca })).toString(), 'list');
      await assert.rejects(get(url, { resolve, ca: new TestAuthority('Stranger').certificate }), /cannot connect/);
    }
    await assert.rejects(get(`https://other.test:${securePort}/list?x=1`, { resolve, ca }), /cannot connect/);
  });

  it('end when the answer is too large, too slow or incomplete', async () => {
    await assert.rejects(get(`http://${address}:${port}/endless`), /larger than 512 KiB/);
    await until(
      () => streamed > 0,
      () => streamed,
    );
    assert.ok(streamed < 32 * 1024 * 1024, `${streamed}`);
    await assert.rejects(get(`http://${address}:${port}/huge`), /larger than 512 KiB/);
    await assert.rejects(get(`http://${address}:${port}/silent`, { timeout: 300 }), /no answer in time/);
    await assert.rejects(get(`http://${address}:${port}/drip`, { timeout: 300 }), /in time/);
    await assert.rejects(get(`http://${address}:${port}/cut`), /incomplete|cannot connect/);
    const never: Resolve = () => new Promise(() => undefined);
    await assert.rejects(
      get(`http://crl.test:${port}/list?x=1`, { resolve: never, timeout: 300 }),
      /no answer in time/,
    );
  });

  it('follow no redirect, and quote nothing of an answer', async () => {
    seen.length = 0;
    await assert.rejects(
      get(`http://${address}:${port}/redirect`),
      /^Error: the server redirects \(302\), which is not followed$/,
    );
    await assert.rejects(get(`http://${address}:${port}/back`), /redirects \(307\)/);
    await assert.rejects(get(`http://${address}:${port}/other`), /^Error: the server answered 404$/);
    assert.equal(seen.length, 3);
  });

  it('try another address of the name if one does not answer', async () => {
    const resolve: Resolve = () => Promise.resolve(['10.99.0.2', address]);
    execFileSync('ip', ['route', 'add', 'unreachable', '10.99.0.2/32']);
    assert.equal((await get(`http://crl.test:${port}/list?x=1`, { resolve })).toString(), 'list');
    execFileSync('ip', ['route', 'del', 'unreachable', '10.99.0.2/32']);
  });

  it('never go to addresses of the node, its metadata service or the cluster', async () => {
    seen.length = 0;
    const refused: readonly (readonly [host: string, reason: RegExp, answer?: readonly string[]])[] = [
      ['localhost', /loopback/],
      ['127.0.0.1', /loopback/],
      ['127.1', /loopback/],
      ['0x7f000001', /loopback/],
      ['0', /the unspecified network/],
      ['[::1]', /loopback/],
      ['[::]', /unspecified/],
      ['[::ffff:127.0.0.1]', /address ::ffff:[0-9a-f:.]+ is not supported/],
      ['[::ffff:10.99.0.1]', /address ::ffff:[0-9a-f:.]+ is not supported/],
      ['[64:ff9b::7f00:1]', /NAT64/],
      ['[64:ff9b::a9fe:a9fe]', /NAT64/],
      ['[fe80::1]', /link-local/],
      ['169.254.169.254', /link-local, with the metadata service/],
      ['[fd00:ec2::254]', /a metadata service/],
      ['224.0.0.1', /multicast/],
      ['255.255.255.255', /broadcast/],
      ['[ff02::1]', /multicast/],
      ['10.96.0.1', /in the cluster's network 10\.96\.0\.0\/12/],
      ['[fd00:10:96::1]', /in the cluster's network/],
      ['crl.test', /127\.0\.0\.1 is in .*loopback/, [address, '127.0.0.1']],
      ['crl.test', /10\.99\.0\.9 is in the cluster's network/, ['10.99.0.9']],
      ['crl.test', /fe80::1%lo is not supported/, ['fe80::1%lo']],
      ['crl.test', /no address/, []],
    ];
    const forbidden = networks('10.96.0.0/12', 'fd00:10:96::/112', '10.99.0.9/32');
    for (const [host, reason, answer] of refused) {
      const resolve = answer && ((): Promise<readonly string[]> => Promise.resolve(answer));
      await assert.rejects(
        get(`http://${host}:${port}/list?x=1`, {
          forbidden: host === 'crl.test' ? networks('10.99.0.9/32') : forbidden,
          ...(resolve && { resolve }),
        }),
        reason,
        host,
      );
    }
    const allowed = networks('10.96.0.0/16', '127.0.0.0/8');
    for (const [host, reason] of [
      [address, /10\.99\.0\.1 is outside --client-crl-networks/],
      ['127.0.0.1', /loopback/],
      ['10.96.0.1', /in the cluster's network/],
    ] as const) {
      await assert.rejects(
        download(`http://${host}:${port}/`, '', { forbidden: networks('10.96.0.1/32'), allowed }, end.signal),
        reason,
      );
    }
    await assert.rejects(get(`http://user:word@${address}:${port}/list?x=1`), /user name/);
    assert.equal(seen.length, 0);
  });

  describe('as the lists of a router', () => {
    const minute = 60_000;
    const root = new OpensslAuthority('Root');
    const warnings: unknown[] = [];
    let body: string | undefined;
    let now = 0;
    let [asked, changes] = [0, 0];
    let list: { readonly server: Server; readonly port: number };
    let bundle: string;

    before(async () => {
      list = await serve((_, response) => {
        asked++;
        if (body === undefined) response.writeHead(503).end();
        else response.end(body);
      });
      const child = root.issue('alice', [`crlDistributionPoints=URI:http://${address}:${list.port}/root.crl`]);
      bundle = `${root.certificate}${child.cert}`;
    });
    after(() => {
      root.remove();
      close(list.server);
    });
    const log = { info: () => undefined, warn: (context: object) => void warnings.push(context) };
    const open = () =>
      new RevocationLists({
        settings: { forbidden: [] },
        log,
        signal: end.signal,
        onChange: () => changes++,
        now: () => now,
      });
    const read = (lists: RevocationLists, stored = ''): RevocationState => {
      const plan = planRevocation(bundle);
      assert.ok(plan.kind === 'used');
      return lists.get('default', plan.issuers, bundle, stored);
    };
    /** Waits for the download that was started. */
    async function settle(lists: RevocationLists): Promise<RevocationState> {
      const before = changes;
      read(lists);
      await until(
        () => changes > before,
        () => [warnings, asked],
      );
      return read(lists);
    }
    const countOf = (pem: string): number => pem.split('BEGIN X509 CRL').length - 1;

    it('are renewed at half of their time, and the last one is kept until it expires', async () => {
      const lists = open();
      now = Date.now();
      body = root.list({ until: 3600 });
      const first = read(lists);
      assert.deepEqual([first.isSettled, countOf(first.pem), first.missing.length], [false, 1, 1], 'a placeholder');
      await until(
        () => changes > 0,
        () => warnings,
      );
      const valid = read(lists);
      assert.deepEqual([valid.isSettled, valid.missing, valid.stale], [true, [], []]);
      assert.equal(valid.pem, body);
      assert.ok(valid.next > 25 * minute && valid.next < 35 * minute, `${valid.next}`);
      assert.equal(asked, 1);
      // The server fails.
      body = undefined;
      now += 35 * minute;
      const stale = await settle(lists);
      assert.equal(asked, 2);
      assert.deepEqual([stale.pem, stale.missing], [valid.pem, []]);
      assert.match(
        stale.stale.join(),
        /^CN=Root: the list is valid until .* cannot be renewed: http:.*: the server answered 503$/,
      );
      assert.ok(stale.next > 4 * minute && stale.next < 6 * minute, `${stale.next}`);
      // A list that was signed earlier does not replace the last one.
      body = root.list({ from: -600, until: 7200 });
      now += 6 * minute;
      const replayed = await settle(lists);
      assert.equal(replayed.pem, valid.pem);
      assert.match(replayed.stale.join(), /the list is older than the one of/);
      // Nor does it when the last one has expired.
      now += 20 * minute;
      const expired = await settle(lists);
      assert.notEqual(expired.pem, valid.pem);
      assert.equal(countOf(expired.pem), 1);
      assert.match(expired.missing.join(), /^CN=Root: the list expired at .*; the list is older than/);
    });

    it('are restored from the ConfigMap, where others cannot forge them', async () => {
      now = Date.now();
      body = undefined;
      const askedBefore = asked;
      const stored = root.list();
      const restored = read(open(), stored);
      assert.deepEqual([restored.isSettled, restored.pem, restored.missing], [true, stored, []]);
      const stranger = new OpensslAuthority('Root');
      for (const forged of [stranger.list(), 'nonsense', '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n']) {
        const { isSettled, missing } = read(open(), forged);
        assert.deepEqual([isSettled, missing.length], [false, 1]);
      }
      // Both have the same name.
      assert.equal(read(open(), stranger.list() + stored).pem, stored);
      stranger.remove();
      // Every one of them started a download, which fails.
      await until(
        () => asked >= askedBefore + 5,
        () => asked,
      );
    });
  });
});
