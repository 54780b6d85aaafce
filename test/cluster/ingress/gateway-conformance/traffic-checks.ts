import assert from 'node:assert/strict';
import type { EchoAnswer } from './echo-protocol.ts';
import type { Expectation, Step } from './expectations.ts';

/** Returns what is wrong with the answer to a request, or undefined if it is right. */
export function checkAnswer(
  step: Step,
  answer: EchoAnswer,
  isHttps: boolean,
  certificateOf: (secret: string) => string,
): string | undefined {
  const { expect = {} } = step;
  try {
    if (expect.transportError === true) {
      assert.notEqual(answer.error ?? 'timeout', 'timeout', 'no error of the connection');
      return undefined;
    }
    if (answer.error !== undefined) assert.fail(answer.error);
    checkWhole(step, expect, answer, isHttps);
    const among = expect.backendSees?.clientCertificateAmong;
    if (among !== undefined) assert.ok(answer.echo.tls.peerCertificates.includes(certificateOf(among)), 'certificate');
    return undefined;
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)} in ${JSON.stringify(answer)}`;
  }
}

function checkWhole(step: Step, expect: Expectation, answer: EchoAnswer, isHttps: boolean): void {
  const { status = 0, headers = {} } = answer;
  if (expect.statusNot !== undefined) {
    assert.ok(![expect.statusNot].flat().includes(status), `status ${status}`);
    return;
  }
  const wanted = [expect.status ?? 200].flat();
  // The suite accepts either.
  if (wanted.includes(504)) wanted.push(408);
  assert.ok(wanted.includes(status), `status ${status} instead of ${wanted.join()}`);
  if (expect.redirect !== undefined) checkRedirect(step, expect.redirect, headers.location ?? '', isHttps);
  for (const [name, value] of Object.entries(expect.responseHeaders ?? {})) {
    assert.equal(headers[name.toLowerCase()], value, `response header ${name}`);
  }
  for (const [name, values] of Object.entries(expect.responseHeadersOneOf ?? {})) {
    const trim = (value: string) => (expect.ignoreSpacesInResponseHeaders === true ? value.replaceAll(' ', '') : value);
    const value = headers[name.toLowerCase()];
    assert.ok(value !== undefined && values.map(trim).includes(trim(value)), `response header ${name}: ${value}`);
  }
  for (const name of expect.responseHeadersAbsent ?? []) assert.equal(headers[name.toLowerCase()], undefined, name);
  if (status !== 200 && status !== 204) return;
  if (expect.answeredByGateway) {
    assert.equal(answer.echo, undefined);
    return;
  }
  checkEcho(step, expect, answer.echo ?? {});
}

// biome-ignore lint/suspicious/noExplicitAny: whatever the server says
function checkEcho(step: Step, expect: Expectation, echo: any): void {
  if (expect.backend !== undefined) assert.ok(`${echo.pod}`.startsWith(expect.backend), `answered by ${echo.pod}`);
  if (expect.namespace !== undefined) assert.equal(echo.namespace, expect.namespace);
  const sees = expect.backendSees ?? {};
  const isOwn = sees.path === undefined;
  const { host = isOwn ? step.host : undefined, path = step.path, method = step.method ?? 'GET' } = sees;
  if (host !== undefined) assert.equal(echo.host, host);
  assert.equal(echo.path, path);
  assert.equal(echo.method, method);
  const headers = isOwn ? { ...step.headers, ...sees.headers } : (sees.headers ?? {});
  for (const [name, value] of Object.entries(headers)) {
    assert.equal(echo.headers[name.toLowerCase()]?.join(','), value, `header ${name}`);
  }
  for (const name of sees.absentHeaders ?? []) assert.equal(echo.headers[name.toLowerCase()], undefined, name);
  if (sees.sni !== undefined) assert.equal(echo.tls?.serverName, sees.sni);
}

function checkRedirect(
  step: Step,
  { host, scheme, path, port }: NonNullable<Expectation['redirect']>,
  location: string,
  isHttps: boolean,
): void {
  const url = new URL(location);
  const sent = isHttps ? 'https' : 'http';
  assert.equal(url.protocol, `${scheme ?? sent}:`, location);
  if (host !== undefined) assert.equal(url.hostname, host, location);
  assert.equal(`${url.pathname}`, path ?? step.path, location);
  // URL leaves out the default port of a scheme.
  const usual = (scheme ?? sent) === 'https' ? '443' : '80';
  const wanted = port === undefined || `${port}` === usual ? '' : `${port}`;
  assert.equal(url.port, wanted, location);
}
