import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { containsAddress, type Prefix, parseAddress } from '../../../base/model/address.ts';
import type { Labels } from '../../../base/read/object-meta.ts';
import type { Wanted, WantedAddress } from '../../addresses/documents.ts';
import type { AddressOwner, Assignments } from '../../pools/assign.ts';
import { nameOwner } from '../../pools/describe-addresses.ts';
import { type AddressPool, admitsNode } from '../../pools/pool.ts';
import type { Member } from './members.ts';

/** A served port of an address. */
export type ServedPort = WantedAddress['ports'][number];

/** The content of `wanted.json` without the time of writing. */
export type WantedState = Omit<Wanted, 'version' | 'writtenAt'>;

/** Sources of the document for `ingress-addresses`. */
export interface WantedInput extends Omit<WantedState, 'members' | 'addresses'> {
  readonly members: readonly Member[];
  readonly assignments: Assignments;
  /** Returns the ports that are served at an address. */
  readonly portsOf: (owner: AddressOwner) => readonly ServedPort[];
  /** Returns the nodes that can serve an owner. Undefined: all of them. */
  readonly nodesOf: (owner: AddressOwner) => ReadonlySet<string> | undefined;
  /** Returns the labels of a node, or undefined if it is unknown. */
  readonly labelsOfNode: (node: string) => Labels | undefined;
  /** Returns the interface of this node with an address in a network. */
  readonly findInterface: (network: Prefix) => string | undefined;
}

/** Returns the document, sorted, so that equal states are equal texts. */
export function describeWanted({
  members,
  assignments,
  portsOf,
  nodesOf,
  labelsOfNode,
  findInterface,
  router,
  node,
  ready,
  drain,
  checks,
}: WantedInput): WantedState {
  const describe = (owner: AddressOwner): WantedAddress => {
    const { address, pool } = owner;
    const link = pool.interface ?? (pool.subnet && findInterface(pool.subnet));
    const nodes = listEligible(pool, nodesOf(owner), members, labelsOfNode);
    return {
      address: address.text,
      ...(link !== undefined && { interface: link }),
      owner: nameOwner(owner),
      ...(nodes !== undefined && { eligibleNodes: nodes }),
      ports: sortPorts(portsOf(owner)),
      // kube-proxy serves Services.
      ...(owner.kind === 'Service' && { translated: true }),
    };
  };
  const owners = [...assignments.owners.values()].sort((one, other) =>
    one.address.text < other.address.text ? -1 : 1,
  );
  return {
    router,
    node,
    ready,
    drain,
    checks,
    members: members.map((member) => ({ ...member, addresses: [...member.addresses] })),
    addresses: owners.map(describe),
  };
}

function listEligible(
  pool: AddressPool,
  able: ReadonlySet<string> | undefined,
  members: readonly Member[],
  labelsOfNode: WantedInput['labelsOfNode'],
): string[] | undefined {
  if (pool.nodes === undefined && able === undefined) return undefined;
  return members
    .map(({ node }) => node)
    .filter((node) => admitsNode(pool, labelsOfNode(node)) && (able === undefined || able.has(node)));
}

function sortPorts(ports: readonly ServedPort[]): ServedPort[] {
  const keyed = new Map(ports.map((port) => [`${port.protocol} ${`${port.port}`.padStart(5, '0')}`, port] as const));
  return [...keyed].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, port]) => port);
}

/** Returns the first interface of this node with an address in a network. */
export function findInterface(
  network: Prefix,
  interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>> = networkInterfaces(),
): string | undefined {
  return Object.entries(interfaces).find(([, list]) =>
    list?.some(({ address, internal }) => {
      const parsed = internal ? undefined : parseAddress(address);
      return parsed !== undefined && containsAddress(network, parsed);
    }),
  )?.[0];
}
