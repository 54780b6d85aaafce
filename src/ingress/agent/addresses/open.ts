import { join } from 'node:path';
import { parseAddress } from '../../../base/model/address.ts';
import { includesAddress } from '../../../base/model/address-range.ts';
import { keyOf } from '../../../base/read/object-meta.ts';
import { type AddressState, addressFiles } from '../../addresses/documents.ts';
import { readOwnAddresses } from '../../backends/own-addresses.ts';
import { readNodeAddresses } from '../../gateway/addresses.ts';
import { type SitePorts, sitePortKey } from '../../gateway/site-ports.ts';
import type { EndpointState } from '../../objects/endpoint-slice.ts';
import type { Inventory } from '../../objects/inventory.ts';
import type { AddressOwner } from '../../pools/assign.ts';
import { Holdings } from '../../pools/holdings.ts';
import type { IngressPort } from '../../ports/model.ts';
import type { PortPlane } from '../../ports/port-plane.ts';
import type { AgentOptions } from '../options.ts';
import { AddressKeeper } from './keeper.ts';
import { FileKeys, type KeySource } from './keys.ts';
import { type Members, StaticMembers } from './members.ts';
import { findInterface, type ServedPort } from './wanted.ts';

/** The agent's interface for virtual addresses. */
interface AddressHost {
  readonly inventory: Inventory;
  readonly ports: PortPlane;
  /** Absent: those of the command line. */
  readonly members?: Members;
  /** Absent: a file. */
  readonly keys?: KeySource;
  readonly isReady: () => boolean;
  readonly report: (place: string, problem: string | undefined) => void;
  readonly onState: (state: AddressState | undefined) => void;
}

/** The virtual addresses of a running agent. */
export interface VirtualAddresses {
  readonly keeper: AddressKeeper;
  readonly holdings: Holdings;
}

/** Connects the agent with `ingress-addresses`. */
export function openAddresses(options: AgentOptions, host: AddressHost): VirtualAddresses {
  const { addresses: settings, ports: portSettings } = options;
  const { inventory, ports, report } = host;
  const served = new ServedPorts(() => ports.open);
  const path = join(settings.directory, addressFiles.keys);
  const isAlone = (settings.members?.length ?? 0) < 2;
  const keeper: AddressKeeper = new AddressKeeper({
    directory: settings.directory,
    router: portSettings.name,
    node: portSettings.node,
    heartbeatPort: settings.heartbeatPort,
    checks: listChecks(options),
    members: host.members ?? new StaticMembers(toWritten(settings.members ?? [])),
    keys: host.keys ?? new FileKeys(path, isAlone, (problem) => report('heartbeat keys', problem)),
    assignments: () => ports.assignments,
    portsOf: (owner) => [
      ...served.of(owner),
      ...listSitePortsOf(owner, ports.sitePorts),
      ...listOtherPorts(owner, inventory, options),
    ],
    nodesOf: (owner) => listLocalNodes(owner, inventory),
    labelsOfNode: (node) => inventory.get('Node', node)?.meta.labels,
    findInterface,
    nodeAddresses: () =>
      readNodeAddresses().filter((text) => {
        const address = parseAddress(text);
        return address === undefined || !includesAddress(ports.assignments.ranges, address);
      }),
    isReady: host.isReady,
    isCordoned: () => inventory.get('Node', portSettings.node)?.isCordoned === true,
    report: (problem) => report('virtual addresses', problem),
    holdingOf: (address) => holdings.of(address),
    onState: host.onState,
  });
  const holdings = new Holdings({ readState: () => keeper.state, ownAddresses: readOwnAddresses });
  return { keeper, holdings };
}

function toWritten(members: NonNullable<AgentOptions['addresses']['members']>) {
  return members.map(({ node, addresses }) => ({ node, addresses: addresses.map(({ text }) => text) }));
}

/** Sockets of HAProxy that accept connections while this node serves hosts. */
function listChecks({ http, dryRun }: AgentOptions): { readonly address: string; readonly port: number }[] {
  if (http === undefined || dryRun) return [];
  const { family, address, httpPort, httpsPort } = http.settings.haproxy.listen;
  const place = address?.text ?? (family === 'v6' ? '::1' : '127.0.0.1');
  return [httpPort, httpsPort].map((port) => ({ address: place, port }));
}

/** Open ports by virtual address; those of the node under the empty text. Recomputed only after a change. */
class ServedPorts {
  readonly #open: () => readonly IngressPort[];
  #of: readonly IngressPort[] | undefined;
  #index = new Map<string, ServedPort[]>();

  constructor(open: () => readonly IngressPort[]) {
    this.#open = open;
  }

  of({ kind, address }: AddressOwner): readonly ServedPort[] {
    const open = this.#open();
    if (open !== this.#of) {
      this.#of = open;
      this.#index = new Map();
      for (const { protocol, port, address: place } of open) {
        const key = place?.text ?? '';
        const served = { protocol: nameOf(protocol), port };
        const known = this.#index.get(key);
        if (known === undefined) this.#index.set(key, [served]);
        else known.push(served);
      }
    }
    return this.#index.get(kind === 'Router' ? '' : address.text) ?? [];
  }
}

/** Ports of listeners for hosts, which the kernel translates to HAProxy. */
function listSitePortsOf({ kind, address }: AddressOwner, sites: SitePorts): readonly ServedPort[] {
  if (kind === 'Service') return [];
  const place = kind === 'Router' ? undefined : address;
  return [...sites].flatMap(([key, refusal]) => {
    const port = Number.parseInt(key, 10);
    return refusal === undefined && key === sitePortKey(port, place) ? [{ protocol: 'TCP' as const, port }] : [];
  });
}

/** Ports that other parts serve: HAProxy for the router, kube-proxy for Services. */
function listOtherPorts(
  { kind, meta }: AddressOwner,
  inventory: Inventory,
  { http, dryRun }: AgentOptions,
): readonly ServedPort[] {
  switch (kind) {
    case 'Router': {
      if (http === undefined || dryRun) return [];
      const { httpPort, httpsPort } = http.settings.haproxy.listen;
      return [httpPort, httpsPort].map((port) => ({ protocol: 'TCP' as const, port }));
    }
    case 'Service':
      return ((meta && inventory.get('Service', keyOf(meta))?.ports) ?? []).map(({ protocol, port }) => ({
        protocol: nameOf(protocol),
        port,
      }));
    case 'Gateway':
      return [];
  }
}

/**
 * With `externalTrafficPolicy: Local`, only a node with a ready endpoint serves a Service, or if there is none, one with an
 * endpoint that is terminating and still serves (KEP-1669). Undefined: any node does.
 */
function listLocalNodes({ kind, meta }: AddressOwner, inventory: Inventory): ReadonlySet<string> | undefined {
  if (kind !== 'Service' || meta === undefined) return undefined;
  const key = keyOf(meta);
  if (inventory.get('Service', key)?.localOnly !== true) return undefined;
  const endpoints = inventory.slicesOf(key).flatMap((slice) => slice.endpoints);
  const listNodes = (wanted: EndpointState) =>
    new Set(endpoints.flatMap(({ state, node }) => (state === wanted && node !== undefined ? [node] : [])));
  const ready = listNodes('ready');
  return ready.size > 0 ? ready : listNodes('draining');
}

function nameOf(protocol: IngressPort['protocol']): ServedPort['protocol'] {
  return protocol.toUpperCase() as ServedPort['protocol'];
}
