import { request as requestPlain } from 'node:http';
import { request as requestSecure } from 'node:https';
import type { Socket } from 'node:net';
import { plainHost } from './access.ts';

/** Milliseconds to wait for a proxy's answer. */
const answerTimeout = 10_000;

/**
 * Opens a connection through an HTTP proxy (CONNECT, RFC 9110 §9.3.6). Rejects with an Error that names the proxy
 * without its password.
 *
 * @param target `HOST:PORT`, an IPv6 address in brackets
 */
export function openTunnel(proxy: URL, target: string): Promise<Socket> {
  const fail = (reason: string, cause?: Error) =>
    new Error(`proxy ${proxy.protocol}//${proxy.host} does not connect to ${target}: ${reason}`, { cause });
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const request = proxy.protocol === 'https:' ? requestSecure : requestPlain;
  const connect = request({
    host: plainHost(proxy),
    port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
    method: 'CONNECT',
    path: target,
    headers: { Host: target, ...readCredentials(proxy) },
    // Each tunnel has its own connection.
    agent: false,
    timeout: answerTimeout,
  });
  connect.on('connect', ({ statusCode, statusMessage }, socket) => {
    if (statusCode === 200) return resolve(socket as Socket);
    socket.destroy();
    reject(fail(`${statusCode} ${statusMessage}${statusCode === 407 ? '; write USER:PASSWORD@ into proxy-url' : ''}`));
  });
  // The proxy answered without opening a tunnel.
  connect.on('response', (response) => {
    response.destroy();
    reject(fail(`${response.statusCode} ${response.statusMessage}`));
  });
  connect.on('timeout', () => connect.destroy(new Error(`no answer within ${answerTimeout / 1000} s`)));
  connect.on('error', (error) => reject(fail(error.message, error)));
  connect.end();
  return promise;
}

function readCredentials({ username, password }: URL): Record<string, string> {
  if (username === '') return {};
  const words = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'Proxy-Authorization': `Basic ${Buffer.from(words).toString('base64')}` };
}
