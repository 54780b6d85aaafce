import assert from 'node:assert/strict';
import { listIgnoredFields } from '../../../../src/ingress/operator/ignored-fields.ts';
import { admitSample, admitted, readSample, type SampleWords } from './samples.ts';

const custom = (more: object) => ({ tlsSecurityProfile: { type: 'Custom', custom: more } });
const one = 'ECDHE-RSA-AES128-GCM-SHA256';
const deployed = { selector: 'a=b', endpointPublishingStrategy: { type: 'HostNetwork' } };
const label = 'a'.repeat(63);

/** Specs that are refused, with the message. */
const refused: readonly (readonly [name: string, spec: object, message: RegExp, words?: SampleWords])[] = [
  ['no domain', { domain: '' }, /^domain is required$/],
  ['a domain in upper case', { domain: 'Apps.test' }, /spec.domain "Apps.test": must be a DNS name/],
  ['a label that is too long', { domain: `${'a'.repeat(64)}.test` }, /labels with at most 63/],
  [
    'a domain without room for the router’s name',
    { domain: [label, label, label, 'a'.repeat(50)].join('.') },
    /at most 253/,
  ],
  ['a name that Services cannot contain', {}, /^metadata.name "a.b"/, { name: 'a.b' }],
  ['a name that is too long', {}, /at most 47/, { name: 'a'.repeat(48) }],
  ['a custom profile without content', { tlsSecurityProfile: { type: 'Custom' } }, /^security profile is not defined$/],
  ['no ciphers', custom({ minTLSVersion: 'VersionTLS12' }), /^security profile has an empty ciphers list$/],
  [
    'invalid ciphers',
    custom({ ciphers: ['1bad', one, 'a b'], minTLSVersion: 'VersionTLS12' }),
    /^security profile has invalid ciphers: 1bad, a b$/,
  ],
  [
    'only cipher suites of TLS 1.3 for TLS 1.2',
    custom({ ciphers: ['TLS_AES_128_GCM_SHA256'], minTLSVersion: 'VersionTLS12' }),
    /contains only TLSv1.3 cipher suites$/,
  ],
  [
    'no cipher suites of TLS 1.3 for TLS 1.3',
    custom({ ciphers: [one], minTLSVersion: 'VersionTLS13' }),
    /contains no TLSv1.3 cipher suites$/,
  ],
  ['no version', custom({ ciphers: [one] }), /invalid minimum security protocol version: ""$/],
  [
    'several problems',
    { domain: '', ...custom({ ciphers: [] }) },
    /^\[domain is required, security profile has an empty ciphers list, security profile has invalid minimum/,
  ],
  [
    'a rewrite buffer as large as the buffer',
    { tuningOptions: { headerBufferBytes: 16_384, headerBufferMaxRewriteBytes: 16_384 } },
    /^invalid spec.httpHeaderBuffer: headerBufferBytes \(16384\) must be larger than headerBufferMaxRewriteBytes \(16384\)$/,
  ],
  [
    'a rewrite buffer larger than the default',
    { tuningOptions: { headerBufferMaxRewriteBytes: 40_000 } },
    /\(32768\) must/,
  ],
  ['a buffer that is too small', { tuningOptions: { headerBufferBytes: 10_000 } }, /headerBufferBytes 10000: must be/],
  ['too few connections', { tuningOptions: { maxConnections: 1999 } }, /maxConnections 1999: must be 0, -1/],
  [
    'a duration that Go cannot read',
    { tuningOptions: { clientTimeout: '5d' } },
    /clientTimeout "5d": must be a duration/,
  ],
  [
    'an expression',
    { clientTLS: { allowedSubjectPatterns: ['a', '('] } },
    /allowedSubjectPatterns\[1\] "\(": must be a regular/,
  ],
  ['client certificates without CAs', { clientTLS: { clientCertificatePolicy: 'Required' } }, /clientCA.name/],
  [
    'equal ports',
    { endpointPublishingStrategy: { type: 'HostNetwork', hostNetwork: { httpPort: 443 } } },
    /^the specified HTTPS, HTTP and Stats ports 443, 443, 1936 are not unique$/,
  ],
  [
    'a strategy',
    { endpointPublishingStrategy: { type: 'Public' } },
    /endpointPublishingStrategy.type "Public": must be/,
  ],
  [
    'a selector without values',
    { routeSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } },
    /spec.routeSelector .*must be a label selector/,
  ],
  [
    'a placement that cannot be written as labels',
    { nodePlacement: { nodeSelector: { matchExpressions: [{ key: 'a', operator: 'Exists' }] } } },
    /nodeSelector: must use matchLabels only/,
  ],
  [
    'an override that is not a string',
    { unsupportedConfigOverrides: { contStats: true } },
    /contStats true: must be a string/,
  ],
  [
    'another type than that in use',
    { endpointPublishingStrategy: { type: 'Private' } },
    /type cannot change from HostNetwork to Private: delete/,
    { status: deployed },
  ],
];

describe('An IngressController', () => {
  for (const [name, spec, message, words] of refused) {
    it(`is refused for ${name}, with the reason`, () => {
      const admission = admitSample(readSample(spec, words));
      assert.ok(!admission.isAdmitted);
      assert.match(admission.message, message);
    });
  }

  it('may change its type before it has a router, and ports and protocol at any time', () => {
    const other = { endpointPublishingStrategy: { type: 'Private' } };
    const before = { endpointPublishingStrategy: { type: 'HostNetwork' } };
    assert.ok(admitSample(readSample(other, { status: before })).isAdmitted);
    const changed = { endpointPublishingStrategy: { type: 'HostNetwork', hostNetwork: { httpPort: 8080 } } };
    assert.ok(admitSample(readSample(changed, { status: deployed })).isAdmitted);
  });

  it('gets a contested domain if it is the oldest', () => {
    const [old, young] = [readSample({}, { name: 'old' }), readSample({}, { name: 'young', age: 5 })];
    assert.ok(admitSample(old, [young]).isAdmitted);
    const admission = admitSample(young, [old]);
    assert.ok(!admission.isAdmitted);
    assert.equal(admission.message, 'conflicts with: old');
  });

  it('keeps the domain that it is admitted with, although an older one wants it', () => {
    const status = { domain: 'apps.example.com', conditions: [{ type: 'Admitted', status: 'True' }] };
    const holder = readSample({}, { name: 'holder', age: 5, status });
    const older = readSample({}, { name: 'older' });
    assert.ok(admitSample(holder, [older]).isAdmitted);
    assert.ok(!admitSample(older, [holder]).isAdmitted);
  });

  it('keeps its old domain until the new one is applied', () => {
    const status = { domain: 'apps.example.com', conditions: [{ type: 'Admitted', status: 'True' }] };
    const moving = readSample({ domain: 'new.example.com' }, { name: 'moving', age: 5, status });
    assert.ok(!admitSample(readSample({}, { name: 'waiting' }), [moving]).isAdmitted);
  });

  it('treats null as absent, at any depth', () => {
    const spec = { replicas: null, tuningOptions: { threadCount: null }, httpHeaders: { actions: { request: null } } };
    assert.deepEqual(admitted(readSample(spec)).spec.tuningOptions, {});
  });

  it('reports fields without effect', () => {
    const annotations = {
      'ingress.operator.openshift.io/hard-stop-after': 'soon',
      'egress-router.io/service-annotations': '[1]',
    };
    const object = readSample(
      {
        haproxyVersion: '3.2',
        tuningOptions: { configurationManagement: 'Dynamic' },
        unsupportedConfigOverrides: { maxDynamicServers: '3', dynamicConfigManager: 'true' },
        ...custom({ ciphers: [one], minTLSVersion: 'VersionTLS12', groups: ['X25519MLKEM768', 'X25519'] }),
        endpointPublishingStrategy: {
          type: 'LoadBalancerService',
          loadBalancer: { scope: 'External', dnsManagementPolicy: 'Managed', providerParameters: { type: 'AWS' } },
        },
      },
      { annotations },
    );
    const lines = listIgnoredFields(admitted(object).spec, object);
    for (const word of [
      'providerParameters',
      'haproxyVersion',
      'configurationManagement',
      'maxDynamicServers',
      'dynamicConfigManager',
      'X25519MLKEM768',
      'hard-stop-after "soon"',
      'service-annotations',
    ]) {
      assert.ok(
        lines.some((line) => line.includes(word)),
        word,
      );
    }
    assert.equal(lines.length, 8);
    const plain = readSample({});
    assert.deepEqual(listIgnoredFields(admitted(plain).spec, plain), []);
  });
});
