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

/** Names and formats of OpenShift's API. Longer strings than its own limits do not fit into HAProxy. */
const remarks: Remarks = {
  '': {
    description: 'Desired state of the Route.',
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
    description: 'Host name. If empty, the router derives one.',
  },
  subdomain: { maxLength: 253, description: 'First labels of the host, relative to the domain of the router.' },
  path: { maxLength: 1024, pattern: '^(/[^#\\s]*)?$', description: 'Serve only requests at or below this path.' },
  wildcardPolicy: {
    enum: ['None', 'Subdomain', ''],
    maxLength: 9,
    default: 'None',
    description: 'Subdomain: all hosts one label below the host’s domain.',
  },
  to: { description: 'Service that receives the requests.' },
  ...under('to', backend),
  alternateBackends: { maxItems: 3, description: 'Additional Services that share the requests by weight.' },
  ...under('alternateBackends[]', backend),
  tls: {
    description: 'TLS termination and certificate. If absent, the Route serves plain HTTP.',
    ...rules(
      {
        rule: "!has(self.termination) || self.termination != 'passthrough' || !has(self.insecureEdgeTerminationPolicy) || self.insecureEdgeTerminationPolicy != 'Allow'",
        message: 'insecureEdgeTerminationPolicy must be None or Redirect with passthrough',
      },
      {
        rule: '!has(self.externalCertificate) || !has(self.externalCertificate.name) || ((!has(self.certificate) || self.certificate == "") && (!has(self.key) || self.key == ""))',
        message: 'certificate and key must be absent with externalCertificate',
      },
      {
        rule: "!has(self.termination) || self.termination != 'edge' || !has(self.destinationCACertificate) || self.destinationCACertificate == ''",
        message: 'destinationCACertificate must be absent with edge: connections to endpoints have no TLS',
      },
    ),
  },
  'tls.termination': { enum: ['edge', 'reencrypt', 'passthrough'], description: 'Where TLS is terminated.' },
  'tls.insecureEdgeTerminationPolicy': {
    enum: ['None', 'Allow', 'Redirect', ''],
    description: 'Treatment of plain HTTP requests.',
  },
  'tls.certificate': { description: 'Certificate and chain, PEM.' },
  'tls.key': { description: 'Private key of the certificate, PEM.' },
  'tls.caCertificate': { description: 'Authority that signed the certificate, PEM.' },
  'tls.destinationCACertificate': {
    description: 'Authorities that verify the certificates of endpoints (reencrypt), PEM.',
  },
  'tls.externalCertificate': { description: 'Secret of type kubernetes.io/tls that contains certificate and key.' },
  'tls.externalCertificate.name': { maxLength: 253, description: 'Name of the Secret.' },
};

function under(path: string, list: Remarks): Remarks {
  return Object.fromEntries(Object.entries(list).map(([key, remark]) => [`${path}.${key}`, remark]));
}

/**
 * Returns the CustomResourceDefinition of Route for clusters without OpenShift's API: the parser's own schema with
 * OpenShift's rules.
 */
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
    description: 'Port of the endpoints. If absent, all ports.',
    properties: { targetPort: { 'x-kubernetes-int-or-string': true, description: 'Name or number of the port.' } },
  };
  properties.httpHeaders = headers;
  return {
    type: 'object',
    description: 'A Route exposes Services to clients outside the cluster by host and path or by port.',
    required: ['spec'],
    properties: { spec, status },
  };
}

/** Removes a field that is a number or a string, for which structural schemas have a keyword of their own. */
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
        message: 'set is required for Set and forbidden otherwise',
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
  description: 'Changes of request and response headers.',
  properties: {
    actions: { type: 'object', properties: { request: actions, response: actions } },
  },
};

const status: StructuralSchema = {
  type: 'object',
  description: 'Status of the Route in each router.',
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
