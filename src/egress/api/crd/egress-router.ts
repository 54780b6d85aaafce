import * as z from 'zod/mini';
import {
  remark,
  type StructuralSchema,
  toStructural,
  type ValidationRule,
} from '../../../base/kubernetes/structural-schema.ts';
import { getEgressRouterSpecSchema } from '../egress-router-schema.ts';
import { statusSchema } from './egress-router-status.ts';

/** What a schema says beside its type, by path: `addresses[].ip`. */
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

/** The longest of IPv6, with an IPv4 address at its end, and a length. What rules may cost depends on it. */
const longestPrefix = 'ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128'.length;

function matches(pattern: string, message: string): readonly ValidationRule[] {
  return [{ rule: `self.matches('^(${pattern})$')`, message }];
}

/** With a network of so many bits or more (a pattern), gateway and ip begin with the same octets. */
function sharesOctets(lengths: string, lastDot: string): ValidationRule {
  return {
    rule: `!has(self.gateway) || !self.gateway.contains('.') || !self.ip.matches('^[0-9.]+/(${lengths})$') || self.ip.startsWith(self.gateway.substring(0, ${lastDot} + 1))`,
    message: 'gateway must be in the network of ip',
  };
}

/**
 * Descriptions and rules. Addresses are judged by their looks: the functions for them came to
 * Kubernetes with 1.31, and lists of numbers have no size that older servers could estimate. Of a
 * gateway the whole octets of the network are compared. What the rules let pass, the controller
 * refuses in the plugin's words. That every pair of port and protocol is there once is for it, too: to
 * compare each of thousands of rules with every other is more than the API server grants.
 */
const remarks: Readonly<Record<string, Remark>> = {
  '': {
    description: 'What the egress router is to be.',
    'x-kubernetes-validations': [
      {
        rule: "self.addresses.all(a, a.ip.contains(':')) || self.addresses.all(a, !a.ip.contains(':')) || self.addresses.filter(a, a.ip.contains(':')).size() == self.addresses.filter(a, !a.ip.contains(':')).size()",
        message: 'addresses must be of one family, or as many of IPv4 as of IPv6: they are paired by position',
      },
      {
        rule: "!has(self.redirect) || !has(self.redirect.redirectRules) || (self.addresses.exists(a, !a.ip.contains(':')) || self.redirect.redirectRules.all(r, r.destinationIP.contains(':'))) && (self.addresses.exists(a, a.ip.contains(':')) || self.redirect.redirectRules.all(r, !r.destinationIP.contains(':')))",
        message:
          'every destinationIP must be of a family that has a reserved address in addresses: IPv4 to IPv4, IPv6 to IPv6',
      },
      {
        rule: "!has(self.redirect) || !has(self.redirect.fallbackIP) || self.redirect.fallbackIP == '' || self.addresses.exists(a, a.ip.contains(':') == self.redirect.fallbackIP.contains(':'))",
        message: 'fallbackIP must be of a family that has a reserved address in addresses',
      },
    ],
  },
  addresses: {
    description:
      'The reserved addresses. Several of one family are a pool: as many routers, each with one of them; those of IPv4 and IPv6 are paired by position.',
    minItems: 1,
    maxItems: 32,
  },
  'addresses[]': {
    description: 'A reserved address.',
    'x-kubernetes-validations': [
      {
        rule: "!has(self.gateway) || !self.ip.startsWith(self.gateway + '/')",
        message: 'gateway must be another address than ip',
      },
      {
        rule: "!has(self.gateway) || self.gateway == '' || self.gateway.contains(':') == self.ip.contains(':')",
        message: 'gateway must be of the family of ip',
      },
      sharesOctets('2[4-9]|3[0-2]', "self.gateway.lastIndexOf('.')"),
      sharesOctets('1[6-9]|2[0-3]', "self.gateway.indexOf('.', self.gateway.indexOf('.') + 1)"),
      sharesOctets('8|9|1[0-5]', "self.gateway.indexOf('.')"),
    ],
  },
  'addresses[].ip': {
    description: 'The address with its network’s length, such as 192.168.12.99/24.',
    maxLength: longestPrefix,
    'x-kubernetes-validations': [
      ...matches(
        `${ipv4}/([1-9]|[12][0-9]|3[0-2])|${ipv6}/([1-9]|[1-9][0-9]|1[01][0-9]|12[0-8])`,
        'must be an address with its network’s length, such as "192.168.12.99/24"',
      ),
      {
        rule: "!self.endsWith('.0/24') && !self.endsWith('.255/24')",
        message: 'must be an address that a host can have, not that of its network or the broadcast address',
      },
    ],
  },
  'addresses[].gateway': {
    description: 'The next hop on that network; without it the one of the node’s interface is taken.',
    maxLength: longestPrefix,
    'x-kubernetes-validations': matches(`|${ipv4}|${ipv6}`, 'must be an IPv4 or IPv6 address without a length'),
  },
  mode: { description: 'Redirect is the only mode.', enum: ['Redirect'] },
  redirect: { description: 'Where connections go.' },
  'redirect.redirectRules': { description: 'Which port leads where.', maxItems: 10_000 },
  'redirect.redirectRules[]': { description: 'Connections to a port of the router go to one destination.' },
  'redirect.redirectRules[].destinationIP': {
    description: 'Address of the destination.',
    maxLength: longestPrefix,
    'x-kubernetes-validations': matches(
      `${ipv4}(/[0-9]{1,2})?|${ipv6}(/[0-9]{1,3})?`,
      'must be an IPv4 or IPv6 address',
    ),
  },
  'redirect.redirectRules[].port': { description: 'Port of the router.' },
  'redirect.redirectRules[].protocol': { description: 'Protocol of the connections.', enum: ['TCP', 'UDP', 'SCTP'] },
  'redirect.redirectRules[].targetPort': { description: 'Port of the destination; without it the same as port.' },
  'redirect.fallbackIP': {
    description: 'Where connections to all other ports go; without it they are refused.',
    maxLength: longestPrefix,
    'x-kubernetes-validations': matches(
      `|${ipv4}(/[0-9]{1,2})?|${ipv6}(/[0-9]{1,3})?`,
      'must be an IPv4 or IPv6 address',
    ),
  },
  networkInterface: { description: 'The interface to the outside.' },
  'networkInterface.macvlan': { description: 'A macvlan.' },
  'networkInterface.macvlan.mode': {
    description: 'Its mode; without it Bridge.',
    enum: ['Bridge', 'Private', 'VEPA', 'Passthru'],
  },
  'networkInterface.macvlan.master': {
    description: 'The interface of the node below it; without it the one whose network has the reserved address.',
    maxLength: 15,
  },
};

/** The CustomResourceDefinition of EgressRouter, made from what the plugin and the controller read. */
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
            { name: 'Configured', type: 'date', jsonPath: '.status.configuredSince', priority: 1 },
            { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
          ],
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description:
                'A pod with a reserved address of its own, through which connections reach fixed destinations.',
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
  if (own === undefined) throw new Error(`Cannot describe ${path}: there is no remark on it`);
  // An empty choice is what writers in Go leave of a setting that is absent.
  const choice = own.enum === undefined ? {} : { enum: part.nullable === true ? [...own.enum, ''] : own.enum };
  return { ...part, ...own, ...choice };
}
