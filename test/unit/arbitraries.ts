import fc from 'fast-check';
import {
  type Address,
  addressBits,
  addressBytes,
  addressFromBytes,
  type Family,
  isLinkLocal,
  isUnusable,
  parseAddress,
} from '../../src/base/model/address.ts';
import { protocols, type Redirect, type RedirectSet } from '../../src/base/model/redirect.ts';
import { makeRedirect } from '../../src/egress/api/destination.ts';
import type { ReservedAddress } from '../../src/egress/model/attachment.ts';

function addressesOf(family: Family): fc.Arbitrary<Address> {
  const length = addressBits(family) / 8;
  return (
    fc
      .uint8Array({ minLength: length, maxLength: length })
      .map(addressFromBytes)
      // IPv4-mapped addresses are none of IPv6's (see parseAddress).
      .filter(({ text }) => parseAddress(text) !== undefined)
  );
}

/** Any address of either family, usable or not. */
export const addresses: fc.Arbitrary<Address> = fc.oneof(addressesOf(4), addressesOf(6));

/** Addresses of one family that traffic can be sent to. */
export function hosts(family: Family): fc.Arbitrary<Address> {
  return addressesOf(family).filter((address) => !isUnusable(address) && !isLinkLocal(address));
}

export const ports: fc.Arbitrary<number> = fc.integer({ min: 1, max: 65535 });

/** Redirects of the given families. */
export function redirects(families: readonly Family[]): fc.Arbitrary<Redirect> {
  return fc
    .record({
      protocol: fc.constantFrom(...protocols),
      port: ports,
      target: fc.constantFrom(...families).chain(hosts),
      targetPort: fc.option(ports, { nil: undefined }),
    })
    .map(({ protocol, port, target, targetPort }) => makeRedirect(protocol, port, target, targetPort));
}

/** Redirects and fallbacks that are valid together. */
function redirectSets(families: readonly Family[]): fc.Arbitrary<RedirectSet> {
  return fc
    .tuple(
      fc.uniqueArray(redirects(families), {
        maxLength: 20,
        selector: ({ protocol, port, target }) => `${target.family} ${protocol} ${port}`,
      }),
      fc.tuple(...families.map((family) => fc.option(hosts(family), { nil: undefined }))),
    )
    .map(([list, fallbacks]) => ({
      redirects: list,
      fallbacks: fallbacks.filter((fallback) => fallback !== undefined),
    }));
}

/** Routers as they are behind the door: reserved addresses with gateways, redirects and fallbacks that fit them. */
export const routers: fc.Arbitrary<{ reserved: readonly ReservedAddress[]; redirects: RedirectSet }> = fc
  .constantFrom<readonly Family[]>([4], [6], [4, 6], [6, 4])
  .chain((families) =>
    fc.record({
      reserved: fc.tuple(...families.map(reservedAddresses)),
      redirects: redirectSets(families),
    }),
  );

/** Host 2–200 of a /24 or /120 network, its gateway host 1, or none. */
function reservedAddresses(family: Family): fc.Arbitrary<ReservedAddress> {
  return fc
    .record({ network: hosts(family), host: fc.integer({ min: 2, max: 200 }), hasGateway: fc.boolean() })
    .map(({ network, host, hasGateway }) => ({
      prefix: { address: withHost(network, host), length: addressBits(family) - 8 },
      ...(hasGateway && { gateway: withHost(network, 1) }),
    }));
}

function withHost(address: Address, host: number): Address {
  const bytes = addressBytes(address);
  bytes[bytes.length - 1] = host;
  return addressFromBytes(bytes);
}
