import * as z from 'zod/mini';
import {
  remark,
  type StructuralSchema,
  toStructural,
  type ValidationRule,
} from '../../../base/kubernetes/structural-schema.ts';
import { getEgressRouterSpecSchema } from '../egress-router-schema.ts';
import { statusSchema } from './egress-router-status.ts';

/** Description and validation of a schema at a path such as `addresses[].ip`. */
interface Remark extends Readonly<Record<string, unknown>> {
  readonly description: string;
  readonly enum?: readonly string[];
  readonly maxItems?: number;
  readonly minItems?: number;
  /** Characters. */
  readonly maxLength?: number;
  readonly 'x-kubernetes-validations'?: readonly ValidationRule[];
}

const octet = '(25[0-5]|(2[0-4]|1[0-9]|[1-9])?[0-9])';
const ipv4 = `(${octet}[.]){3}${octet}`;
const ipv6 = '[0-9a-fA-F:.]*:[0-9a-fA-F:.]*';

/** Length of the longest IPv6 prefix. The API server estimates the cost of rules from it. */
const longestPrefix = 'ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128'.length;

function matches(pattern: string, message: string): readonly ValidationRule[] {
  return [{ rule: `self.matches('^(${pattern})$')`, message }];
}

/** Characters of the longest DNS name, with a trailing dot. */
const longestName = 254;

const label = '[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?';
/** As a pattern, because a rule that matches names of this length in ten thousand rules exceeds the CEL cost limit. */
const nameSyntax = {
  maxLength: longestName,
  pattern: `^(|(${label}[.])+[a-zA-Z]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?[.]?)$`,
  'x-kubernetes-validations': [
    { rule: "!self.endsWith('.localhost')", message: "must not be a name of the router's own host" },
  ],
} as const;

/** Requires gateway and ip to share their first octets, for prefix lengths that match a pattern. */
function sharesOctets(lengths: string, lastDot: string): ValidationRule {
  return {
    rule: `!has(self.gateway) || !self.gateway.contains('.') || !self.ip.matches('^[0-9.]+/(${lengths})$') || self.ip.startsWith(self.gateway.substring(0, ${lastDot} + 1))`,
    message: 'gateway must be in the network of ip',
  };
}

/**
 * Descriptions and validation rules. The rules check the syntax of addresses only: CEL functions for IP addresses
 * require Kubernetes 1.31, and older API servers cannot estimate the cost of rules on lists of numbers. Only the
 * whole octets of a gateway's network are compared. The controller validates the rest, including duplicate ports,
 * because comparing thousands of redirect rules pairwise exceeds the CEL cost limit.
 */
const remarks: Readonly<Record<string, Remark>> = {
  '': {
    description: 'Desired state of the egress router.',
    'x-kubernetes-validations': [
      {
        rule: "self.addresses.all(a, a.ip.contains(':')) || self.addresses.all(a, !a.ip.contains(':')) || self.addresses.filter(a, a.ip.contains(':')).size() == self.addresses.filter(a, !a.ip.contains(':')).size()",
        message:
          'addresses must be of one family, or equally many IPv4 and IPv6 addresses, which are paired by position',
      },
      {
        rule: "!has(self.redirect) || !has(self.redirect.redirectRules) || (self.addresses.exists(a, !a.ip.contains(':')) || self.redirect.redirectRules.all(r, !has(r.destinationIP) || r.destinationIP == '' || r.destinationIP.contains(':'))) && (self.addresses.exists(a, a.ip.contains(':')) || self.redirect.redirectRules.all(r, !has(r.destinationIP) || !r.destinationIP.contains(':')))",
        message: 'every destinationIP needs a reserved address of the same family in addresses',
      },
      {
        rule: "!has(self.redirect) || !has(self.redirect.fallbackIP) || self.redirect.fallbackIP == '' || self.addresses.exists(a, a.ip.contains(':') == self.redirect.fallbackIP.contains(':'))",
        message: 'fallbackIP needs a reserved address of the same family in addresses',
      },
    ],
  },
  addresses: {
    description:
      'Reserved addresses. Several addresses of one family create a pool of routers, one for each address; IPv4 and IPv6 addresses are paired by position.',
    minItems: 1,
    maxItems: 32,
  },
  'addresses[]': {
    description: 'Reserved address and its gateway.',
    'x-kubernetes-validations': [
      {
        rule: "!has(self.gateway) || !self.ip.startsWith(self.gateway + '/')",
        message: 'gateway must differ from ip',
      },
      {
        rule: "!has(self.gateway) || self.gateway == '' || self.gateway.contains(':') == self.ip.contains(':')",
        message: 'gateway must be of the same family as ip',
      },
      sharesOctets('2[4-9]|3[01]', "self.gateway.lastIndexOf('.')"),
      sharesOctets('1[6-9]|2[0-3]', "self.gateway.indexOf('.', self.gateway.indexOf('.') + 1)"),
      sharesOctets('8|9|1[0-5]', "self.gateway.indexOf('.')"),
    ],
  },
  'addresses[].ip': {
    description: 'Reserved address with prefix length, for example 192.168.12.99/24.',
    maxLength: longestPrefix,
    'x-kubernetes-validations': [
      ...matches(
        `${ipv4}/([1-9]|[12][0-9]|3[0-2])|${ipv6}/([1-9]|[1-9][0-9]|1[01][0-9]|12[0-8])`,
        'must be an address with prefix length, such as "192.168.12.99/24"',
      ),
      {
        rule: "!self.endsWith('.0/24') && !self.endsWith('.255/24')",
        message: 'must be a host address, not the network or broadcast address',
      },
    ],
  },
  'addresses[].gateway': {
    description: 'Next hop on that network. Defaults to the default gateway of the master interface.',
    maxLength: longestPrefix,
    'x-kubernetes-validations': matches(`|${ipv4}|${ipv6}`, 'must be an IPv4 or IPv6 address without prefix length'),
  },
  mode: { description: 'Mode of the router. Only Redirect is supported.', enum: ['Redirect'] },
  redirect: {
    description: 'Destinations of connections.',
    'x-kubernetes-validations': [
      {
        rule: "!has(self.fallbackName) || self.fallbackName == '' || !has(self.fallbackIP) || self.fallbackIP == ''",
        message: 'only one of fallbackIP and fallbackName is allowed',
      },
    ],
  },
  'redirect.redirectRules': { description: 'Destination of each port.', maxItems: 10_000 },
  'redirect.redirectRules[]': {
    description: 'Redirects connections to a port of the router to one destination.',
    'x-kubernetes-validations': [
      {
        rule: "(has(self.destinationIP) && self.destinationIP != '') != (has(self.destinationName) && self.destinationName != '')",
        message: 'exactly one of destinationIP and destinationName is required',
      },
    ],
  },
  'redirect.redirectRules[].destinationName': {
    description:
      'DNS name of the destination. Each node resolves it and sends new connections to its current addresses; without an answer the port is refused.',
    ...nameSyntax,
  },
  'redirect.redirectRules[].destinationIP': {
    description: 'IP address of the destination.',
    maxLength: longestPrefix,
    'x-kubernetes-validations': matches(
      `|${ipv4}(/[0-9]{1,2})?|${ipv6}(/[0-9]{1,3})?`,
      'must be an IPv4 or IPv6 address',
    ),
  },
  'redirect.redirectRules[].port': { description: 'Port of the router.' },
  'redirect.redirectRules[].protocol': { description: 'Protocol of the connections.', enum: ['TCP', 'UDP', 'SCTP'] },
  'redirect.redirectRules[].targetPort': { description: 'Port of the destination. Defaults to port.' },
  'redirect.fallbackIP': {
    description: 'Destination of connections to all other ports. Without it they are refused.',
    maxLength: longestPrefix,
    'x-kubernetes-validations': matches(
      `|${ipv4}(/[0-9]{1,2})?|${ipv6}(/[0-9]{1,3})?`,
      'must be an IPv4 or IPv6 address',
    ),
  },
  'redirect.fallbackName': {
    description: 'DNS name of the destination of connections to all other ports, instead of fallbackIP.',
    ...nameSyntax,
  },
  'redirect.balance': {
    description:
      'How several addresses of a DNS name share new connections: in turn, or by the address of the client. Defaults to RoundRobin.',
    enum: ['RoundRobin', 'Source'],
  },
  networkInterface: { description: 'Interface on the external network.' },
  'networkInterface.macvlan': { description: 'Settings of the macvlan interface.' },
  'networkInterface.macvlan.mode': {
    description: 'Mode of the macvlan. Defaults to Bridge.',
    enum: ['Bridge', 'Private', 'VEPA', 'Passthru'],
  },
  'networkInterface.macvlan.master': {
    description: 'Parent interface on the node. Defaults to the interface in the network of the reserved address.',
    maxLength: 15,
  },
};

/** Makes the CustomResourceDefinition of EgressRouter from the schema that the plugin and the controller use. */
export function makeEgressRouterDefinition(): Readonly<Record<string, unknown>> {
  const schema = toStructural(z.toJSONSchema(getEgressRouterSpecSchema(), { io: 'input' }));
  const spec = remark(schema, remarks, addOwn);
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'egressrouters.network.operator.openshift.io' },
    spec: {
      group: 'network.operator.openshift.io',
      scope: 'Namespaced',
      names: { kind: 'EgressRouter', listKind: 'EgressRouterList', plural: 'egressrouters', singular: 'egressrouter' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: [
            { name: 'Available', type: 'string', jsonPath: '.status.conditions[?(@.type=="Available")].status' },
            { name: 'Condition', type: 'string', jsonPath: '.status.conditions[?(@.status=="True")].type' },
            {
              name: 'Status',
              type: 'string',
              jsonPath: '.status.conditions[?(@.type=="Available")].message',
              priority: 1,
            },
            { name: 'Addresses', type: 'string', jsonPath: '.status.addresses', priority: 1 },
            { name: 'Nodes', type: 'string', jsonPath: '.status.nodes', priority: 1 },
            { name: 'Names', type: 'string', jsonPath: '.status.names', priority: 1 },
            { name: 'Configured', type: 'date', jsonPath: '.status.configuredSince', priority: 1 },
            { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
          ],
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description:
                'EgressRouter redirects connections through a pod with a reserved source IP address to fixed destinations.',
              required: ['spec'],
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
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
  const own = remarks[path];
  if (own === undefined) throw new Error(`Cannot describe ${path}: it has no remark; add one`);
  // Go programs write an empty string for an unset field.
  const choice = own.enum === undefined ? {} : { enum: part.nullable === true ? [...own.enum, ''] : own.enum };
  return { ...part, ...own, ...choice };
}
