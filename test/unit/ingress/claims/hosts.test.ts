import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { decideHosts } from '../../../../src/ingress/claims/hosts.ts';
import { defaultPolicy } from '../../../../src/ingress/claims/policy.ts';
import { readIngress, translateIngress } from '../../../../src/ingress/k8s-ingress/translate.ts';
import { readObject } from '../../../../src/ingress/objects/kinds.ts';
import { hostOf } from '../../../../src/ingress/route/host.ts';
import { translateRoute } from '../../../../src/ingress/route/translate.ts';
import { route } from '../../../netns/ingress/http/objects.ts';
import { ingress } from '../../../netns/ingress/k8s-ingress/objects.ts';
import { readRoute } from '../samples.ts';

/** Returns the outcome for one Route, as `REASON: MESSAGE` or `admitted`. */
function decide(host: string, spec: Readonly<Record<string, unknown>> = {}, allowsWildcards = false): string {
  const read = readRoute(route('web', host, { spec }));
  const request = translateRoute(read, hostOf(read, { overridesAll: false, overriddenDomains: [] }));
  const { refused } = decideHosts([request], defaultPolicy, { allowsWildcards, sharesHosts: false });
  const [first] = refused;
  return first === undefined ? 'admitted' : `${first.reason}: ${first.message}`;
}

describe('decideHosts', () => {
  const long = 'l'.repeat(64);
  const cases: readonly (readonly [host: string, want: string])[] = [
    ['Web.Test', 'admitted'],
    ['203.0.113.9', 'admitted'],
    ['1.2.3', 'admitted'],
    ['2001:db8::1', 'InvalidHost: spec.host "2001:db8::1": label "2001:db8::1" must consist of letters'],
    [
      '*.apps.test',
      'InvalidHost: spec.host "*.apps.test": must not contain "*"; for every host one label below apps.test, set a host such as www.apps.test and spec.wildcardPolicy "Subdomain"',
    ],
    ['*.*.test', 'InvalidHost: spec.host "*.*.test": label "*" must consist of letters, digits and "-"'],
    [
      `a.${long}.test`,
      `InvalidHost: spec.host "a.${long}.test": label "llllllllllll…" has 64 characters; a label has at most 63`,
    ],
    ['web.test.', 'InvalidHost: spec.host "web.test.": must not end with a dot'],
    ['web..test', 'InvalidHost: spec.host "web..test": must not contain an empty label'],
    ['-web.test', 'InvalidHost: spec.host "-web.test": label "-web" must consist of letters, digits and "-"'],
  ];
  for (const [host, want] of cases) {
    it(`decides about host ${host.slice(0, 20)}: ${want.slice(0, 60)}`, () => {
      assert.equal(decide(host).slice(0, want.length), want);
    });
  }

  it('rejects a wildcard below an address, which has no domain', () => {
    assert.match(decide('203.0.113.9', { wildcardPolicy: 'Subdomain' }, true), /must have a domain/);
  });

  it('rejects a wildcard of an Ingress only if the router denies wildcards', () => {
    const read = readObject(ingress('wild', { '*.apps.test': { '/': 'web' } }));
    assert.ok('object' in read && read.object.kind === 'Ingress');
    const noPeers = {
      ownerOf: () => undefined,
      canaryOf: () => undefined,
      clientsOf: () => undefined,
      hasHost: () => false,
    };
    const { requests } = translateIngress(readIngress(read.object.value), noPeers);
    const outcomes = [undefined, false, true].map((deniesWildcards) => {
      const hosts = {
        allowsWildcards: false,
        sharesHosts: false,
        ...(deniesWildcards !== undefined && { deniesWildcards }),
      };
      return decideHosts(requests, defaultPolicy, hosts).refused.map(({ message }) => message);
    });
    const message = 'host "*.": wildcard hosts of Ingresses are not allowed by this router';
    assert.deepEqual(outcomes, [[], [], [message]]);
  });

  it('rejects a path with a query, which never matches', () => {
    assert.match(decide('web.test', { path: '/a?b' }), /^ExtendedValidationFailed: spec\.path .*must not contain "\?"/);
    assert.equal(decide('web.test', { path: '/a%3Fb' }), 'admitted');
  });

  it('gives one cure for a termination in another case', () => {
    const read = readRoute(
      route('web', 'web.test', {
        annotations: { 'external-tcp-port': '13306' },
        spec: { tls: { termination: 'Edge' } },
      }),
    );
    const problems = [read.http, read.ports?.demand].flatMap((one) => (one?.ok === false ? one.problems : []));
    assert.deepEqual(
      problems.map(({ path, cure }) => `${path}: ${cure}`),
      Array(2).fill('spec.tls.termination: must be "edge", in lower case'),
    );
  });
});
