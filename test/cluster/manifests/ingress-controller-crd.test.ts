import assert from 'node:assert/strict';
import { readIngressController } from '../../../src/ingress/operator/ingress-controller.ts';
import { readIngressControllerSchema, refuseIngressController } from './admission.ts';
import { readExamples } from './rendered.ts';
import { estimateRules, granted } from './rule-cost.ts';

function objectWith(spec: object, name = 'default'): object {
  return {
    apiVersion: 'operator.openshift.io/v1',
    kind: 'IngressController',
    metadata: { name, namespace: 'openshift-ingress-operator', uid: 'u' },
    spec,
  };
}

const tuning = (more: object) => ({ tuningOptions: more });
const request = (name: string, value?: string) => ({
  httpHeaders: {
    actions: {
      request: [{ name, action: value === undefined ? { type: 'Delete' } : { type: 'Set', set: { value } } }],
    },
  },
});
const host = (more: object) => ({ endpointPublishingStrategy: { type: 'HostNetwork', hostNetwork: more } });

/** Specs that OpenShift's API server accepts. */
const good: readonly object[] = [
  {},
  { domain: 'apps.example.com', replicas: 3 },
  host({ httpPort: 0, protocol: '' }),
  { endpointPublishingStrategy: { type: 'NodePortService', nodePort: { protocol: 'PROXY' } } },
  {
    endpointPublishingStrategy: {
      type: 'LoadBalancerService',
      loadBalancer: {
        scope: 'External',
        dnsManagementPolicy: 'Managed',
        allowedSourceRanges: ['10.0.0.0/8'],
        providerParameters: { type: 'AWS', aws: { type: 'NLB' } },
      },
    },
  },
  { tlsSecurityProfile: { type: 'Old', old: {} } },
  { tlsSecurityProfile: { type: 'Custom', custom: { ciphers: ['A'], minTLSVersion: 'VersionTLS12' } } },
  { nodePlacement: { nodeSelector: { matchLabels: { a: '' } }, tolerations: [{ operator: 'Exists' }] } },
  { routeSelector: { matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] } },
  { clientTLS: { clientCertificatePolicy: '', clientCA: { name: '' } } },
  {
    logging: {
      access: { destination: { type: 'Syslog', syslog: { address: '192.0.2.1', port: 514, facility: 'auth2' } } },
    },
  },
  {
    logging: {
      access: {
        destination: { type: 'Container' },
        httpCaptureCookies: [{ matchType: 'Exact', name: 'a', maxLength: 1 }],
      },
    },
  },
  request('X-A', '%[req.hdr(host),lower] and 100%%'),
  request('X-A'),
  {
    httpHeaders: {
      uniqueId: { name: 'X-Id', format: '%{+X}o %ci:%[req.hdr(a)]' },
      headerNameCaseAdjustments: ['Host'],
    },
  },
  { httpCompression: { mimeTypes: ['text/html'] }, httpErrorCodePages: { name: 'pages' } },
  tuning({ clientTimeout: '1m30s', httpKeepAliveTimeout: '15m', maxConnections: -1, reloadInterval: '0' }),
  { unsupportedConfigOverrides: { anything: { at: ['all'] }, contStats: 'true' } },
];

/** Specs that it rejects, and a word of the reason. */
const bad: readonly (readonly [RegExp, object, string?])[] = [
  [/spec\/domain/, { domain: 'Apps.test' }],
  [/spec\/domain/, { domain: `${'a'.repeat(64)}.test` }],
  [/spec\/domain/, { domain: 'a'.repeat(245) }],
  [/metadata\/name/, {}, 'a.b'],
  [/metadata\/name/, {}, 'a'.repeat(48)],
  [/type/, { endpointPublishingStrategy: {} }],
  [/httpPort/, host({ httpPort: 65_536 })],
  [/host header may not/, request('Host', 'a')],
  [/set-cookie header may not/, request('Set-Cookie')],
  [/value/, request('X-A', '%[src]')],
  [/set is required/, { httpHeaders: { actions: { request: [{ name: 'X', action: { type: 'Set' } }] } } }],
  [/must be 0, -1/, tuning({ maxConnections: 1999 })],
  [/less than or equal to 15/, tuning({ httpKeepAliveTimeout: '16m' })],
  [/clientTimeout/, tuning({ clientTimeout: '5d' })],
  [/threadCount/, tuning({ threadCount: 65 })],
  [/headerBufferBytes/, tuning({ headerBufferBytes: 100 })],
  [
    /facility/,
    { logging: { access: { destination: { type: 'Syslog', syslog: { address: 'a', port: 1, facility: 'x' } } } } },
  ],
  [/httpCaptureCookies/, { logging: { access: { destination: { type: 'Container' }, httpCaptureCookies: [{}, {}] } } }],
];

describe('the CustomResourceDefinition of IngressController', () => {
  it('accepts what OpenShift accepts, and so does the operator', () => {
    for (const spec of good) {
      const object = objectWith(spec);
      assert.deepEqual(refuseIngressController(object), [], JSON.stringify(spec));
      assert.deepEqual(readIngressController(object)?.problems, [], JSON.stringify(spec));
    }
  });

  for (const [reason, spec, name] of bad) {
    it(`rejects ${JSON.stringify(spec).slice(0, 90)} ${name?.slice(0, 10) ?? ''}`, () => {
      assert.match(refuseIngressController(objectWith(spec, name)).join('; '), reason);
    });
  }

  it('accepts the examples', () => {
    const objects = [...readExamples().values()].flat().filter(({ kind }) => kind === 'IngressController');
    assert.ok(objects.length > 0);
    for (const one of objects) assert.deepEqual(refuseIngressController(one), [], one.metadata.name);
  });

  it('has a scale subresource on the fields of the status', () => {
    const { status } = readIngressControllerSchema().properties as { status: { properties: object } };
    for (const field of ['availableReplicas', 'selector']) assert.ok(field in status.properties);
  });

  it("stays below the cost limit of the API server, by the server's own estimate", () => {
    const rules = estimateRules(readIngressControllerSchema(), 4);
    assert.ok(rules.length > 10);
    for (const { path, rule, total } of rules) assert.ok(total < granted.rule, `${path}: ${rule} costs ${total}`);
    assert.ok(rules.reduce((sum, { total }) => sum + total, 0) < granted.definition);
  });
});
