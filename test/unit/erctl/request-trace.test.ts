import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { call } from './call.ts';

/** A server that is the agent for `/trace`, and the router for everything else. */
describe('erctl trace --host', () => {
  const seen: IncomingMessage[] = [];
  let server: Server;
  let port = 0;

  before(async () => {
    server = createServer((request, response) => {
      seen.push(request);
      const ports = { http: port, https: port };
      const trace = { schema: 'ingress-agent.trace/v1', host: 'a', path: '/', tls: false, ports, outcome: 'served' };
      response.end(JSON.stringify({ ...trace, explanation: '', endpoints: [], others: [] }));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  });
  beforeEach(() => void seen.splice(0));
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const trace = (...words: readonly string[]) =>
    call(['trace', '--host', 'a.test', '--agent', `http://127.0.0.1:${port}`, ...words]);

  it('sends what it traced: encoded parameters, and every value of a header', async () => {
    const words = [
      '--path',
      '/a%20b',
      '--query',
      'q=a b&c=ü',
      '--header',
      'x-a=1',
      '--header',
      'X-A=2',
      '--method',
      'post',
    ];
    const { status, err } = await trace('--send', ...words);
    assert.equal(status, 0, err);
    const [asked, sent] = seen;
    const search = new URL(asked?.url ?? '', 'http://a').searchParams;
    assert.deepEqual(search.getAll('query'), ['q=a b&c=ü']);
    assert.deepEqual([sent?.method, sent?.url, sent?.headers.host], ['POST', '/a%20b?q=a%20b%26c%3D%C3%BC', 'a.test']);
    assert.deepEqual(sent?.headersDistinct['x-a'], ['1', '2']);
  });

  const wrong: readonly (readonly [word: string, value: string, message: RegExp])[] = [
    ['--path', 'x', /Must begin with "\/"/],
    ['--path', '/a b', /must be encoded/],
    ['--path', '/ü', /must be encoded/],
    ['--path', '/a#b', /must be encoded/],
    ['--path', '/a?b=c', /set parameters with --query/],
    ['--header', 'host=b.test', /set the host with --host/],
    ['--header', 'Content-Length=5', /Must not be Content-Length/],
    ['--header', 'x y=1', /Must be NAME=VALUE/],
    ['--header', 'x=a\nb', /without control characters/],
    ['--method', 'GET /', /Must be a method/],
  ];
  for (const [word, value, message] of wrong) {
    it(`rejects ${word} ${JSON.stringify(value)}`, async () => {
      const { status, err } = await trace(word, value);
      assert.equal(status, 2);
      assert.match(err, message);
      assert.equal(seen.length, 0);
    });
  }
});
