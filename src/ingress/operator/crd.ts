import * as z from 'zod/mini';
import {
  type Remarks,
  remark,
  type StructuralSchema,
  toStructural,
  type ValidationRule,
} from '../../base/kubernetes/structural-schema.ts';
import { isRecord } from '../../base/read/shape.ts';
import { statusSchema } from './crd-status.ts';
import { durationPattern } from './go-duration.ts';
import { longestName } from './names.ts';
import { ingressControllerSchema } from './spec.ts';

const rules = (...list: readonly ValidationRule[]) => ({ 'x-kubernetes-validations': list });

const token = "^[-!#$%&'*+.0-9A-Z^_`a-z|~]+$";
const optionalToken = "^[-!#$%&'*+.0-9A-Z^_`a-z|~]*$";
/** A format of HAProxy: `%` introduces a variable or a sample in brackets. */
const logFormat =
  '^(%(%|([{][-+]?[QXE](,[-+]?[QXE])*[}])?([A-Za-z]+|\\[[.0-9A-Z_a-z]+(\\([^)]+\\))?(,[.0-9A-Z_a-z]+(\\([^)]+\\))?)*\\]))|[^%\\x00-\\x1F\\x7F])*$';
const sample = (fetch: string): string =>
  `^(?:%(?:%|(?:[{][-+]?[QXE](?:,[-+]?[QXE])*[}])?\\[(?:${fetch}\\.hdr\\([0-9A-Za-z-]+\\)|ssl_c_der)(?:,(?:lower|base64))*\\])|[^%\\x00-\\x1F\\x7F])+$`;

/** Headers that HAProxy sets or needs itself. */
const reservedHeaders = ['strict-transport-security', 'proxy', 'host', 'cookie', 'set-cookie'];
const headerName = {
  minLength: 1,
  maxLength: 255,
  pattern: token,
  ...rules(
    ...reservedHeaders.map((name) => ({
      rule: `self.lowerAscii() != '${name}'`,
      message: `${name} header may not be modified via header actions`,
    })),
  ),
};
const headerList = {
  maxItems: 20,
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': ['name'],
};
const headerAction = rules({
  rule: "(self.type == 'Set') == has(self.set)",
  message: 'set is required when type is Set, and forbidden otherwise',
});

const facilities = [
  ...'kern user mail daemon auth syslog lpr news uucp cron auth2 ftp ntp audit alert cron2'.split(' '),
  ...Array.from({ length: 8 }, (_none, number) => `local${number}`),
];

const duration = { maxLength: 64, pattern: durationPattern };

/** Descriptions, defaults and rules, by path. */
const remarks: Remarks = {
  '': { description: 'Desired state of the router.' },
  domain: {
    description:
      "Domain of the router's default host names and certificate. Unique; the oldest IngressController keeps it.",
    maxLength: 244,
    pattern: '^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*)?$',
  },
  replicas: {
    description: 'Number of pods. If absent, HostNetwork with nodePlacement runs one on every selected node.',
    format: 'int32',
  },
  endpointPublishingStrategy: { description: 'How clients reach the router. The type cannot change.' },
  'endpointPublishingStrategy.loadBalancer.scope': { description: 'Whether the load balancer is external.' },
  'endpointPublishingStrategy.loadBalancer.dnsManagementPolicy': {
    default: 'Managed',
    description: 'Managed annotates the Service for ExternalDNS.',
  },
  'endpointPublishingStrategy.loadBalancer.providerParameters': {
    description: 'No effect: annotate the Service as the cloud provider requires.',
  },
  'endpointPublishingStrategy.hostNetwork.httpPort': { default: 80, format: 'int32' },
  'endpointPublishingStrategy.hostNetwork.httpsPort': { default: 443, format: 'int32' },
  'endpointPublishingStrategy.hostNetwork.statsPort': { default: 1936, format: 'int32' },
  defaultCertificate: { description: 'Secret of openshift-ingress with tls.crt and tls.key.' },
  namespaceSelector: { description: 'Namespaces whose Routes the router serves. Default: all.' },
  routeSelector: { description: 'Routes that the router serves. Default: all.' },
  nodePlacement: { description: 'Nodes that may run the router.' },
  tlsSecurityProfile: { description: 'Ciphers, groups and versions of TLS. Default: Intermediate.' },
  clientTLS: { description: 'Verification of client certificates.' },
  'clientTLS.clientCA': { description: 'ConfigMap of openshift-config with ca-bundle.pem.' },
  routeAdmission: { description: 'Whether namespaces may share hosts, and Routes use wildcards.' },
  logging: { description: 'Access log. Default: none.' },
  'logging.access.destination.container.maxLength': { default: 1024, format: 'int32' },
  'logging.access.destination.syslog.maxLength': { default: 1024, format: 'int32' },
  'logging.access.destination.syslog.facility': {
    enum: [...facilities, ''],
  },
  'logging.access.httpCaptureHeaders.request[].name': { pattern: token },
  'logging.access.httpCaptureHeaders.response[].name': { pattern: token },
  'logging.access.httpCaptureCookies[].name': { maxLength: 1024, pattern: optionalToken },
  'logging.access.httpCaptureCookies[].namePrefix': { maxLength: 1024, pattern: optionalToken },
  'logging.access.logEmptyRequests': { default: 'Log' },
  httpHeaders: { description: 'Headers of requests and responses.' },
  'httpHeaders.uniqueId.name': { maxLength: 1024, pattern: optionalToken },
  'httpHeaders.uniqueId.format': { maxLength: 1024, pattern: logFormat },
  'httpHeaders.headerNameCaseAdjustments[]': { maxLength: 1024, pattern: optionalToken },
  'httpHeaders.actions.request': headerList,
  'httpHeaders.actions.response': headerList,
  'httpHeaders.actions.request[].name': headerName,
  'httpHeaders.actions.response[].name': headerName,
  'httpHeaders.actions.request[].action': headerAction,
  'httpHeaders.actions.response[].action': headerAction,
  'httpHeaders.actions.request[].action.set.value': { maxLength: 16_384, pattern: sample('req') },
  'httpHeaders.actions.response[].action.set.value': { maxLength: 16_384, pattern: sample('res') },
  httpEmptyRequestsPolicy: { default: 'Respond', description: 'Answer to connections without a request.' },
  httpErrorCodePages: {
    description: 'ConfigMap of openshift-config with error-page-503.http and error-page-404.http.',
  },
  idleConnectionTerminationPolicy: {
    default: 'Immediate',
    description: 'Whether a reload closes idle connections at once or after their next response.',
  },
  closedClientConnectionPolicy: {
    default: 'Continue',
    description: 'Whether requests of clients that have disconnected are completed.',
  },
  tuningOptions: { description: 'Timeouts, buffers and limits of HAProxy.' },
  'tuningOptions.clientTimeout': duration,
  'tuningOptions.clientFinTimeout': duration,
  'tuningOptions.serverTimeout': duration,
  'tuningOptions.serverFinTimeout': duration,
  'tuningOptions.tunnelTimeout': duration,
  'tuningOptions.connectTimeout': duration,
  'tuningOptions.tlsInspectDelay': duration,
  'tuningOptions.healthCheckInterval': duration,
  'tuningOptions.reloadInterval': duration,
  'tuningOptions.httpKeepAliveTimeout': {
    maxLength: 16,
    minLength: 1,
    pattern: '^([0-9]+([.][0-9]+)?(ms|s|m))+$',
    ...rules(
      {
        rule: "!self.matches('^([0-9]+([.][0-9]+)?(ms|s|m))+$') || duration(self) <= duration('15m')",
        message: 'httpKeepAliveTimeout must be less than or equal to 15 minutes',
      },
      {
        rule: "!self.matches('^([0-9]+([.][0-9]+)?(ms|s|m))+$') || duration('1ms') <= duration(self)",
        message: 'httpKeepAliveTimeout must be greater than or equal to 1 millisecond',
      },
    ),
  },
  'tuningOptions.headerBufferBytes': { minimum: 16_384, format: 'int32' },
  'tuningOptions.headerBufferMaxRewriteBytes': { minimum: 4096, format: 'int32' },
  'tuningOptions.maxConnections': {
    format: 'int32',
    ...rules({
      rule: 'self <= 0 || 2000 <= self',
      message: 'maxConnections must be 0, -1, or between 2000 and 2000000',
    }),
  },
  unsupportedConfigOverrides: {
    description: 'Overrides. All values are strings.',
    'x-kubernetes-preserve-unknown-fields': true,
  },
};

/** Free-form objects, for which zod emits keywords that structural schemas do not allow. */
const openPaths: Readonly<Record<string, StructuralSchema>> = {
  'endpointPublishingStrategy.loadBalancer.providerParameters': {
    type: 'object',
    nullable: true,
    'x-kubernetes-preserve-unknown-fields': true,
  },
};

/** Builds the CustomResourceDefinition of IngressController from the schema of the operator's parser. */
export function makeIngressControllerDefinition(): Readonly<Record<string, unknown>> {
  const spec = remark(toStructural(z.toJSONSchema(ingressControllerSchema, { io: 'input' })), remarks, addOwn);
  const condition = (type: string): string => `.status.conditions[?(@.type=="${type}")].status`;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'ingresscontrollers.operator.openshift.io' },
    spec: {
      group: 'operator.openshift.io',
      scope: 'Namespaced',
      names: {
        kind: 'IngressController',
        listKind: 'IngressControllerList',
        plural: 'ingresscontrollers',
        singular: 'ingresscontroller',
      },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: {
            status: {},
            scale: {
              specReplicasPath: '.spec.replicas',
              statusReplicasPath: '.status.availableReplicas',
              labelSelectorPath: '.status.selector',
            },
          },
          additionalPrinterColumns: [
            { name: 'Domain', type: 'string', jsonPath: '.status.domain' },
            { name: 'Strategy', type: 'string', jsonPath: '.status.endpointPublishingStrategy.type' },
            { name: 'Replicas', type: 'integer', jsonPath: '.status.availableReplicas' },
            { name: 'Admitted', type: 'string', jsonPath: condition('Admitted') },
            { name: 'Available', type: 'string', jsonPath: condition('Available') },
            { name: 'Degraded', type: 'string', jsonPath: condition('Degraded') },
            { name: 'Progressing', type: 'string', jsonPath: condition('Progressing'), priority: 1 },
            { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
          ],
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description: 'IngressController describes a router for Routes, and how clients reach it.',
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: {
                  type: 'object',
                  properties: {
                    // The names of Services contain this name.
                    name: { type: 'string', maxLength: longestName, pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$' },
                  },
                },
                spec,
                status: statusSchema,
              },
            },
          },
        },
      ],
    },
  };
}

function addOwn(part: StructuralSchema, path: string): StructuralSchema {
  const open = openPaths[path];
  if (open !== undefined) return { ...open, ...remarks[path] };
  const { additionalProperties, propertyNames: _names, ...plain } = part;
  const isMap = path.endsWith('.matchLabels') && isRecord(additionalProperties);
  const list = plain.type === 'array' ? { 'x-kubernetes-list-type': 'atomic' } : {};
  return { ...plain, ...list, ...(isMap && { additionalProperties: { type: 'string' } }), ...remarks[path] };
}
