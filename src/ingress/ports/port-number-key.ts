import type { Address } from '../../base/model/address.ts';
import { type Protocol, protocolNumbers } from '../../base/model/redirect.ts';

/**
 * Returns the key of a port in maps: a number for a port of the node's addresses, because building strings for 20,000
 * ports would take longer than applying a change.
 */
export function numberKeyOf({ protocol, port, address }: PlacedPort): number | string {
  const number = protocolNumbers[protocol] * 0x10000 + port;
  return address === undefined ? number : `${number} ${address.text}`;
}

interface PlacedPort {
  readonly protocol: Protocol;
  readonly port: number;
  readonly address?: Address;
}
