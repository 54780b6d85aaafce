import * as z from 'zod/mini';
import {
  type Remarks,
  remark,
  type StructuralSchema,
  toStructural,
  type ValidationRule,
} from '../../base/kubernetes/structural-schema.ts';
import { isRecord } from '../../base/read/shape.ts';
import { routeSpecSchema } from './spec.ts';

const rules = (...list: readonly ValidationRule[]) => ({ 'x-kubernetes-validations': list });

const backend: Remarks = {
  kind: { enum: ['Service', ''], default: 'Service', description: 'Service is the only kind.' },
  name: { minLength: 1, maxLength: 253, description: 'Name of a Service of this namespace.' },
  weight: { minimum: 0, maximum: 256, default: 100, description: 'Share of requests relative to the other Services.' },
};

/** Names and forms as OpenShift's API has them; longer texts than its own do not fit HAProxy. */
const remarks: Remarks = {
  '': {
    description: 'What the Route asks for.',
    ...rules(
      {
        rule: "!has(self.tls) || !has(self.tls.termination) || self.tls.termination != 'passthrough' || !has(self.path) || self.path == ''",
        message: 'path must be absent with passthrough: only the endpoint sees it',
      },
      {
        rule: "!has(self.tls) || !has(self.tls.termination) || self.tls.termination != 'passthrough' || !has(self.httpHeaders)",
        message: 'httpHeaders must be absent with passthrough: only the endpoint sees them',
      },
      {
        rule: "!has(self.wildcardPolicy) || self.wildcardPolicy != 'Subdomain' || (has(self.host) && self.host != '')",
        message: 'host must be set with wildcardPolicy Subdomain',
      },
      {
        rule: '!has(oldSelf.wildcardPolicy) || (has(self.wildcardPolicy) && self.wildcardPolicy == oldSelf.wildcardPolicy)',
        message: 'wildcardPolicy cannot be changed',
      },
    ),
  },
  host: {
    maxLength: 253,
    pattern: '^([a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)*)?$',
    description: 'The host name; empty: the router makes one.',
  },
  subdomain: { maxLength: 253, description: 'First labels of the host, below the domain of the router.' },
  path: { maxLength: 1024, pattern: '^(/[^#\\s]*)?$', description: 'Only requests at or below this path.' },
  wildcardPolicy: {
    enum: ['None', 'Subdomain', ''],
    maxLength: 9,
    default: 'None',
    description: 'Subdomain: all hosts one label below the host’s domain.',
  },
  to: { description: 'The Service that gets the requests.' },
  ...under('to', backend),
  alternateBackends: { maxItems: 3, description: 'More Services that share them, by weight.' },
  ...under('alternateBackends[]', backend),
  tls: {
    description: 'Where TLS ends, and with which certificate; absent: plain HTTP.',
    ...rules(
      {
        rule: "!has(self.termination) || self.termination != 'passthrough' || !has(self.insecureEdgeTerminationPolicy) || self.insecureEdgeTerminationPolicy != 'Allow'",
        message: 'insecureEdgeTerminationPolicy must be None or Redirect with passthrough',
      },
      {
        rule: '!has(self.externalCertificate) || !has(self.externalCertificate.name) || ((!has(self.certificate) || self.certificate == "") && (!has(self.key) || self.key == ""))',
        message: 'certificate and key must be absent beside externalCertificate',
      },
      {
        rule: "!has(self.termination) || self.termination != 'edge' || !has(self.destinationCACertificate) || self.destinationCACertificate == ''",
        message: 'destinationCACertificate must be absent with edge: connections to endpoints have no TLS',
      },
    ),
  },
  'tls.termination': { enum: ['edge', 'reencrypt', 'passthrough'], description: 'Where TLS ends.' },
  'tls.insecureEdgeTerminationPolicy': {
    enum: ['None', 'Allow', 'Redirect', ''],
    description: 'What becomes of plain HTTP.',
  },
  'tls.certificate': { description: 'Certificate and chain, PEM.' },
  'tls.key': { description: 'Its private key, PEM.' },
  'tls.caCertificate': { description: 'The authority that signed it, PEM.' },
  'tls.destinationCACertificate': { description: 'Authorities that endpoints are held to (reencrypt), PEM.' },
  'tls.externalCertificate': { description: 'A Secret of type kubernetes.io/tls that has the certificate instead.' },
  'tls.externalCertificate.name': { maxLength: 253, description: 'Its name.' },
};

function under(path: string, list: Remarks): Remarks {
  return Object.fromEntries(Object.entries(list).map(([key, remark]) => [`${path}.${key}`, remark]));
}

/** The CustomResourceDefinition of Route, for clusters without OpenShift's API: the parser's own schema with OpenShift's rules. */
export function makeRouteDefinition(): object {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'routes.route.openshift.io' },
    spec: {
      group: 'route.openshift.io',
      scope: 'Namespaced',
      names: { kind: 'Route', listKind: 'RouteList', plural: 'routes', singular: 'route' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: [
            { name: 'Host', type: 'string', jsonPath: '.status.ingress[0].host' },
            { name: 'Path', type: 'string', jsonPath: '.spec.path' },
            {
              name: 'Admitted',
              type: 'string',
              jsonPath: '.status.ingress[0].conditions[?(@.type=="Admitted")].status',
            },
            { name: 'Service', type: 'string', jsonPath: '.spec.to.name' },
            { name: 'TLS', type: 'string', jsonPath: '.spec.tls.termination' },
          ],
          schema: { openAPIV3Schema: makeSchema() },
        },
      ],
    },
  };
}

function makeSchema(): StructuralSchema {
  const spec = remark(toStructural(withoutPort(z.toJSONSchema(routeSpecSchema, { io: 'input' }))), remarks, addOwn);
  const properties = spec.properties as Record<string, StructuralSchema>;
  properties.port = {
    type: 'object',
    required: ['targetPort'],
    description: 'Which port of the endpoints; absent: all.',
    properties: { targetPort: { 'x-kubernetes-int-or-string': true, description: 'Name or number.' } },
  };
  properties.httpHeaders = headers;
  return {
    type: 'object',
    description: 'A Route leads clients outside of the cluster to Services, by host and path or by port.',
    required: ['spec'],
    properties: { spec, status },
  };
}

/** A number or a text: structural schemas say that by a word of their own. */
function withoutPort(schema: unknown): unknown {
  if (!isRecord(schema) || !isRecord(schema.properties)) throw new TypeError('Cannot read the schema of a Route');
  const { port: _port, ...properties } = schema.properties;
  return { ...schema, properties };
}

function addOwn({ additionalProperties: _closed, ...part }: StructuralSchema, path: string): StructuralSchema {
  return { ...part, ...remarks[path] };
}

const header: StructuralSchema = {
  type: 'object',
  required: ['name', 'action'],
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 255, pattern: "^[-!#$%&'*+.0-9A-Z^_`a-z|~]+$" },
    action: {
      type: 'object',
      required: ['type'],
      properties: {
        type: { type: 'string', enum: ['Set', 'Delete'] },
        set: {
          type: 'object',
          required: ['value'],
          properties: { value: { type: 'string', minLength: 1, maxLength: 16_384 } },
        },
      },
      ...rules({
        rule: "(self.type == 'Set') == has(self.set)",
        message: 'set must be given for Set, and for nothing else',
      }),
    },
  },
};

const actions: StructuralSchema = {
  type: 'array',
  maxItems: 20,
  items: header,
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': ['name'],
};

const headers: StructuralSchema = {
  type: 'object',
  description: 'Changes of headers.',
  properties: {
    actions: { type: 'object', properties: { request: actions, response: actions } },
  },
};

const status: StructuralSchema = {
  type: 'object',
  description: 'What each router made of it.',
  properties: {
    ingress: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          host: { type: 'string' },
          routerName: { type: 'string' },
          routerCanonicalHostname: { type: 'string' },
          wildcardPolicy: { type: 'string' },
          conditions: {
            type: 'array',
            items: {
              type: 'object',
              required: ['status', 'type'],
              properties: {
                type: { type: 'string' },
                status: { type: 'string' },
                reason: { type: 'string' },
                message: { type: 'string' },
                lastTransitionTime: { type: 'string', format: 'date-time' },
              },
            },
          },
        },
      },
    },
  },
};
