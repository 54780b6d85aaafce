import * as z from 'zod/mini';
import { isExpression } from '../../base/read/expression.ts';
import { readLabelSelector } from '../../base/read/label-selector.ts';
import { text } from '../../base/read/text.ts';
import { goDurationCure, parseGoDuration } from './go-duration.ts';

/** Schema of `spec` of an IngressController (operator.openshift.io/v1): the fields and limits of OpenShift's API. */

const object = <Shape extends z.core.$ZodLooseShape>(shape: Shape) => z.nullish(z.object(shape, 'must be an object'));

const list = <Element extends z.core.$ZodType>(element: Element, most?: number) => {
  const schema = z.array(element, 'must be a list');
  return z.nullish(most === undefined ? schema : schema.check(z.maxLength(most, `must have at most ${most} entries`)));
};

const choice = <const Words extends readonly string[]>(...words: Words) =>
  z.nullish(z.enum(words as unknown as [Words[number]], `must be ${words.filter((word) => word !== '').join(' or ')}`));

function numberOf(least: number, most: number) {
  const cure = `must be a whole number from ${least} to ${most}`;
  return z.nullish(z.number(cure).check(z.int(cure), z.gte(least, cure), z.lte(most, cure)));
}

const string = (cure = 'must be a string') => z.nullish(text(cure));
const duration = z.nullish(
  text(goDurationCure).check(z.refine((value) => parseGoDuration(value) !== undefined, goDurationCure)),
);

const selectorCure = 'must be a label selector with matchLabels and matchExpressions';
const requirement = z.object(
  {
    key: text('must be the key of a label'),
    operator: text('must be In, NotIn, Exists or DoesNotExist'),
    values: list(text('must be the value of a label')),
  },
  'must be an object with key and operator',
);
const selector = z.nullish(
  z
    .object(
      {
        matchLabels: z.nullish(z.record(z.string(), z.string(), 'must be an object of strings')),
        matchExpressions: list(requirement),
      },
      selectorCure,
    )
    .check(z.refine((value) => readLabelSelector(value) !== undefined, selectorCure)),
);

const protocol = object({ protocol: choice('', 'TCP', 'PROXY') });
const largest = 2_147_483_647;

/** Schema of `endpointPublishingStrategy`, in the spec and in the status. */
export const publishingSchema = object({
  type: z.enum(
    ['LoadBalancerService', 'HostNetwork', 'Private', 'NodePortService'],
    'must be LoadBalancerService, HostNetwork, Private or NodePortService',
  ),
  loadBalancer: object({
    scope: choice('Internal', 'External'),
    dnsManagementPolicy: choice('Managed', 'Unmanaged'),
    allowedSourceRanges: list(text('must be a network such as "192.0.2.0/24"')),
    providerParameters: z.nullish(z.record(z.string(), z.unknown(), 'must be an object')),
  }),
  hostNetwork: object({
    protocol: choice('', 'TCP', 'PROXY'),
    httpPort: numberOf(0, 65_535),
    httpsPort: numberOf(0, 65_535),
    statsPort: numberOf(0, 65_535),
  }),
  private: protocol,
  nodePort: protocol,
});

const toleration = z.object(
  {
    key: string(),
    operator: string(),
    value: string(),
    effect: string(),
    tolerationSeconds: z.nullish(z.number('must be a number of seconds')),
  },
  'must be a toleration',
);

const custom = object({
  ciphers: list(text('must be the name of a cipher')),
  groups: list(text('must be the name of a group')),
  minTLSVersion: choice('VersionTLS10', 'VersionTLS11', 'VersionTLS12', 'VersionTLS13'),
});

const name = z.object({ name: text('must be the name of an object') }, 'must be an object with a name');

const patternCure = 'must be a regular expression';

const clientTls = object({
  clientCertificatePolicy: choice('', 'Required', 'Optional'),
  clientCA: object({ name: string('must be the name of a ConfigMap') }),
  allowedSubjectPatterns: list(text(patternCure).check(z.refine(isExpression, patternCure))),
});

const captured = z.object(
  { name: text('must be the name of a header'), maxLength: z.number('must be a number').check(z.int(), z.gte(1)) },
  'must be an object with name and maxLength',
);

const logging = object({
  access: object({
    destination: z.object(
      {
        type: z.enum(['Container', 'Syslog'], 'must be Container or Syslog'),
        container: object({ maxLength: numberOf(480, 8192) }),
        syslog: object({
          address: text('must be an IP address'),
          port: z.number('must be a port').check(z.int(), z.gte(1), z.lte(65_535)),
          facility: string('must be a facility of syslog'),
          maxLength: numberOf(480, 4096),
        }),
      },
      'must be an object with type',
    ),
    httpLogFormat: string("must be a format in HAProxy's syntax"),
    httpCaptureHeaders: object({ request: list(captured), response: list(captured) }),
    httpCaptureCookies: list(
      z.object(
        {
          matchType: z.enum(['Exact', 'Prefix'], 'must be Exact or Prefix'),
          name: string(),
          namePrefix: string(),
          maxLength: numberOf(0, 1024),
        },
        'must be an object with matchType',
      ),
      1,
    ),
    logEmptyRequests: choice('Log', 'Ignore'),
  }),
});

const headerAction = z.object(
  {
    name: z.string('must be the name of a header').check(z.minLength(1), z.maxLength(255)),
    action: z.object(
      {
        type: z.enum(['Set', 'Delete'], 'must be Set or Delete'),
        set: object({ value: z.string('must be a value').check(z.minLength(1), z.maxLength(16_384)) }),
      },
      'must be an object with type',
    ),
  },
  'must be an object with name and action',
);

const headers = object({
  forwardedHeaderPolicy: choice('Append', 'Replace', 'IfNone', 'Never'),
  uniqueId: object({ name: string(), format: string() }),
  headerNameCaseAdjustments: list(text('must be the name of a header')),
  actions: object({ request: list(headerAction, 20), response: list(headerAction, 20) }),
});

const tuning = object({
  headerBufferBytes: numberOf(0, largest),
  headerBufferMaxRewriteBytes: numberOf(0, largest),
  threadCount: numberOf(1, 64),
  clientTimeout: duration,
  clientFinTimeout: duration,
  serverTimeout: duration,
  serverFinTimeout: duration,
  tunnelTimeout: duration,
  connectTimeout: duration,
  httpKeepAliveTimeout: duration,
  tlsInspectDelay: duration,
  healthCheckInterval: duration,
  maxConnections: numberOf(-1, 2_000_000),
  reloadInterval: duration,
  configurationManagement: choice('Dynamic', 'ForkAndReload'),
});

const overrides = object({
  loadBalancingAlgorithm: string(),
  dynamicConfigManager: string(),
  maxDynamicServers: string(),
  contStats: string(),
  mutualTLSHeaderFilter: string(),
});

export const ingressControllerSchema = z.object(
  {
    domain: string('must be a domain'),
    replicas: numberOf(0, largest),
    endpointPublishingStrategy: publishingSchema,
    defaultCertificate: object({ name: string('must be the name of a Secret') }),
    namespaceSelector: selector,
    routeSelector: selector,
    nodePlacement: object({ nodeSelector: selector, tolerations: list(toleration) }),
    tlsSecurityProfile: object({
      type: choice('', 'Old', 'Intermediate', 'Modern', 'Custom'),
      old: object({}),
      intermediate: object({}),
      modern: object({}),
      custom,
    }),
    clientTLS: clientTls,
    routeAdmission: object({
      namespaceOwnership: choice('', 'Strict', 'InterNamespaceAllowed'),
      wildcardPolicy: choice('', 'WildcardsDisallowed', 'WildcardsAllowed'),
    }),
    logging,
    httpHeaders: headers,
    httpEmptyRequestsPolicy: choice('Respond', 'Ignore'),
    httpCompression: object({ mimeTypes: list(text('must be a media type')) }),
    httpErrorCodePages: z.nullish(name),
    idleConnectionTerminationPolicy: choice('Immediate', 'Deferred'),
    closedClientConnectionPolicy: choice('Continue', 'Abort'),
    haproxyVersion: string('must be a version of HAProxy'),
    tuningOptions: tuning,
    unsupportedConfigOverrides: overrides,
  },
  'must be an object',
);

/** A type without null, at any depth: null means absent in Kubernetes. */
type Plain<T> = T extends null
  ? never
  : T extends readonly (infer Element)[]
    ? readonly Plain<Element>[]
    : T extends object
      ? { readonly [Key in keyof T]: Plain<T[Key]> }
      : T;

/** A valid `spec` of an IngressController. */
export type IngressControllerSpec = Plain<z.output<typeof ingressControllerSchema>>;
