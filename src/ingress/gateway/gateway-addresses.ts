import type { Address } from '../../base/model/address.ts';
import type { Assignments } from '../pools/assign.ts';
import { type AddressVerdict, judgeAddresses, parseGatewayAddresses } from './addresses.ts';
import type { Gateway } from './gateway.ts';

/** The addresses of a Gateway, or why it cannot have them. */
export interface GatewayAddressVerdict extends AddressVerdict {
  /** Present if the addresses come from a pool: the Gateway is served only there. Absent: it is served on the nodes. */
  readonly virtual?: readonly Address[];
  /** Present if the Gateway requests own addresses of nodes: it is served only there. */
  readonly chosen?: readonly Address[];
}

/** Sources of the addresses of Gateways. */
export interface AddressSources {
  /** Addresses of the ingress nodes. */
  readonly addresses: readonly string[];
  /** Addresses of pools. */
  readonly assignments: Assignments;
}

/** An address at which a Gateway is served, instead of at all addresses of the nodes. */
export interface OwnPlace {
  readonly address: Address;
  readonly ofNode?: true;
}

/** Returns the only addresses at which a Gateway is served. Undefined: all addresses of the nodes. */
export function listOwnPlaces({ virtual, chosen }: GatewayAddressVerdict): readonly OwnPlace[] | undefined {
  return virtual?.map((address) => ({ address })) ?? chosen?.map((address) => ({ address, ofNode: true }));
}

/**
 * Returns the addresses of a Gateway: from pools that admit its namespace, or else those of the nodes. This is the only
 * place that decides, for every data plane and status.
 */
export function addressesOf({ meta, addresses }: Gateway, sources: AddressSources): GatewayAddressVerdict {
  const read = parseGatewayAddresses(addresses);
  if ('refusal' in read) return { addresses: [], refusal: read.refusal };
  const assigned = sources.assignments.claims.get(meta.uid);
  if (assigned === undefined) {
    const verdict = judgeAddresses(addresses, sources.addresses);
    const isChosen = verdict.refusal === undefined && !read.isAny;
    return isChosen ? { ...verdict, chosen: read.asked } : verdict;
  }
  const { refusal } = assigned;
  if (refusal !== undefined) return { addresses: [], refusal };
  return { addresses: assigned.addresses.map(({ text }) => text), virtual: assigned.addresses };
}
