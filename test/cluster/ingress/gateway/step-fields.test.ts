import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Step } from '../gateway-conformance/expectations.ts';
import { findUnknownFields, speaksHttp2 } from '../gateway-conformance/step-fields.ts';

describe('fields of conformance steps', () => {
  const request = { do: 'request', gateway: 'a/b', port: 80, method: 'GET', path: '/' } as const;
  const parentRef = { group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace: 'a', name: 'b' };
  const parents = (more: object) => [
    { controllerName: '<controllerName>', parentRef: { ...parentRef, ...more }, conditions: [] },
  ];
  const cases: readonly (readonly [name: string, step: object, unknown: readonly string[]])[] = [
    ['a request that is checked', { ...request, protocol: 'h2', expect: { status: 200 } }, []],
    ['an unknown protocol', { ...request, protocol: 'h3' }, ['request.protocol "h3"']],
    ['an expectation of another kind of step', { ...request, expect: { isTLS: true } }, ['request.expect.isTLS']],
    [
      'a call with headers of the response',
      { do: 'grpc', expect: { responseHeaders: {} } },
      ['grpc.expect.responseHeaders'],
    ],
    ['a redirect that is followed', { ...request, followRedirect: true }, ['request.followRedirect true']],
    [
      'a connection that is refused',
      { do: 'tcpConnect', expect: { accepted: false } },
      ['tcpConnect.expect.accepted false'],
    ],
    [
      'a field of a repeated request',
      { do: 'repeat', times: 1, request: { ...request, cookies: {} } },
      ['repeat.request.cookies'],
    ],
    [
      'a parent that names a listener',
      { do: 'status', check: 'parents', parents: parents({ sectionName: 'l' }) },
      ['status:parents.parents[].parentRef.sectionName'],
    ],
    [
      'the message of a condition',
      { do: 'status', check: 'condition', condition: { type: 'A', message: 'x' } },
      ['status:condition.condition.message'],
    ],
  ];
  for (const [name, step, unknown] of cases) {
    it(`${unknown.length === 0 ? 'include' : 'do not include'} ${name}`, () =>
      assert.deepEqual(findUnknownFields(step as Step), unknown));
  }

  it('choose the version of HTTP', () => {
    assert.deepEqual([undefined, 'h2', 'h2c (prior knowledge)'].map(speaksHttp2), [false, true, true]);
    assert.throws(() => speaksHttp2('h3'), /Unknown protocol h3/);
  });
});
