import type { ConformanceTest, Step } from './expectations.ts';

const infra = 'gateway-conformance-infra';
const gateway = `${infra}/same-namespace`;

function ask(path: string, expect: Step['expect'] = {}): Step {
  return { do: 'request', gateway, listener: 'http', port: 80, scheme: 'http', method: 'GET', path, expect };
}

function condition(type: string, status: string, reason: string): Step {
  return {
    do: 'status',
    kind: 'HTTPRoute',
    object: `${infra}/broken-rules`,
    parent: gateway,
    check: 'condition',
    condition: { type, status, reason },
  };
}

/** Features that the suite does not test, in its form. */
export const ownTests: readonly ConformanceTest[] = [
  {
    test: 'rewrites and redirects the requests of one backend, and replaces each prefix of a rule',
    profiles: {},
    features: [],
    manifests: ['own/backend-filters.yaml'],
    steps: [
      {
        do: 'status',
        check: 'gatewayAndRoutesAccepted',
        gateway,
        routeKind: 'HTTPRoute',
        routes: [`${infra}/backend-filters`, `${infra}/broken-rules`],
      },
      ask('/rewritten/x?q=1', {
        backend: 'infra-backend-v1',
        backendSees: { path: '/new/x?q=1', host: 'inner.example', method: 'GET' },
      }),
      ask('/one/x', { backendSees: { path: '/both/x', method: 'GET' } }),
      ask('/two/x', { backendSees: { path: '/both/x', method: 'GET' } }),
      ask('/redirected/x', { status: 302, redirect: { host: 'elsewhere.example', path: '/there/x' } }),
      // An invalid mirror gets nothing; unknown filters and settings are never skipped.
      ask('/lost-mirror', { backend: 'infra-backend-v1' }),
      ask('/extension', { status: 500 }),
      ask('/backoff', { status: 500 }),
      condition('ResolvedRefs', 'False', 'BackendNotFound'),
      condition('PartiallyInvalid', 'True', 'UnsupportedValue'),
    ],
  },
];
