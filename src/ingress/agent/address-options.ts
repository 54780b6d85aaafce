import type { OptionReader } from '../../base/daemon/reader.ts';
import { clusterNames } from '../../base/kubernetes/names.ts';
import { type Address, isUnusable, parseAddress } from '../../base/model/address.ts';
import { formatProblem } from '../../base/model/problem.ts';
import { isName } from '../../base/read/object-meta.ts';
import { parsePort } from '../../base/read/parse-port.ts';
import { showValue } from '../../base/read/show-value.ts';
import { addressesFolder, heartbeatPort } from '../addresses/documents.ts';
import type { AddressSettings } from '../pools/address-book.ts';
import type { AddressPool } from '../pools/pool.ts';
import { parsePoolOption, poolOptionCure } from '../pools/pool-option.ts';

/** An ingress node, and the addresses from which its heartbeats come. */
export interface StaticMember {
  readonly node: string;
  readonly addresses: readonly Address[];
}

/** Settings of virtual addresses. */
export interface AddressOptions extends AddressSettings {
  /** Nodes that hold addresses, without an API server. Absent: only this one. */
  readonly members?: readonly StaticMember[];
  /** UDP port of the heartbeats. */
  readonly heartbeatPort: number;
  /** Folder of the files shared with `ingress-addresses`. */
  readonly directory: string;
}

type AddressOptionName =
  | 'address-pool'
  | 'router-addresses'
  | 'load-balancer-class'
  | 'address-members'
  | 'heartbeat-port'
  | 'addresses-directory';

/** Reads the options of virtual addresses and adds problems to the reader. */
export function readAddressOptions(reader: OptionReader<AddressOptionName>, gatewayClass?: string): AddressOptions {
  const members = reader.read(
    'address-members',
    parseMembers,
    'must be like "node1=192.0.2.1,node2=192.0.2.2+2001:db8::2"',
  );
  return {
    pools: readPools(reader),
    router: reader.read('router-addresses', parseAddressList, 'must be addresses separated by commas') ?? [],
    ...(gatewayClass !== undefined && { gatewayClass }),
    balancerClass:
      reader.read('load-balancer-class', parseClass, 'must be a name such as "example.com/class"') ??
      clusterNames.gatewayController,
    ...(members !== undefined && { members }),
    heartbeatPort: reader.read('heartbeat-port', parsePort, 'must be a port from 1 to 65535') ?? heartbeatPort,
    directory: reader.read('addresses-directory', (text) => text) ?? addressesFolder,
  };
}

function readPools(reader: OptionReader<AddressOptionName>): readonly AddressPool[] {
  const pools = new Map<string, AddressPool>();
  for (const text of reader.readAll('address-pool')) {
    const refuse = (problem: string) => reader.problems.push(`--address-pool ${showValue(text)}: ${problem}`);
    const read = parsePoolOption(text);
    if (read === undefined) refuse(poolOptionCure);
    else if (!read.ok) for (const problem of read.problems) refuse(formatProblem(problem));
    else if (pools.has(read.value.meta.name)) refuse('must have a name that no other --address-pool has');
    else pools.set(read.value.meta.name, read.value);
  }
  return [...pools.values()];
}

function parseAddressList(text: string, separator = ','): readonly Address[] | undefined {
  const addresses = text.split(separator).map((word) => parseAddress(word.trim()));
  return addresses.every((address) => address !== undefined && !isUnusable(address))
    ? (addresses as readonly Address[])
    : undefined;
}

function parseMembers(text: string): readonly StaticMember[] | undefined {
  const members = new Map<string, StaticMember>();
  for (const part of text.split(',')) {
    const [node = '', list = '', ...rest] = part.trim().split('=');
    const addresses = parseAddressList(list, '+');
    if (rest.length > 0 || !isName(node) || addresses === undefined || members.has(node)) return undefined;
    members.set(node, { node, addresses });
  }
  return [...members.values()];
}

function parseClass(text: string): string | undefined {
  return /^(?:[a-z0-9.-]{1,253}\/)?[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?$/.test(text) ? text : undefined;
}
