import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { covers } from '../../../../src/ingress/gateway/hostname.ts';
import type { GatewayListener } from '../../../../src/ingress/gateway/listener.ts';
import { findOverlapping, ListenerIndex } from '../../../../src/ingress/gateway/listener-index.ts';

const hostnames = [undefined, 'a.test', '*.a.test', 'b.a.test', '*.b.a.test', 'c.b.a.test', 'd.test'];

const listenerOf = (
  protocol: GatewayListener['protocol'],
  port: number,
  hostname: string | undefined,
): GatewayListener => {
  const common = { name: 'l', port, allowed: { from: 'Same' as const } };
  if (protocol === 'tcp' || protocol === 'udp') return { ...common, protocol };
  return { ...common, protocol, ...(hostname !== undefined && { hostname }) };
};

const anyListener = fc
  .tuple(
    fc.constantFrom('http' as const, 'https' as const, 'tls' as const, 'tcp' as const, 'udp' as const),
    fc.constantFrom(80, 443),
    fc.constantFrom(...hostnames),
  )
  .map(([protocol, port, hostname]) => listenerOf(protocol, port, hostname));

const hostnameOf = (one: GatewayListener): string | undefined => ('hostname' in one ? one.hostname : undefined);

/** Compares two listeners by the words of the API ("Distinct Listeners"). */
function compare(one: GatewayListener, other: GatewayListener): 'ProtocolConflict' | 'HostnameConflict' | undefined {
  if (one.port !== other.port || (one.protocol === 'udp') !== (other.protocol === 'udp')) return undefined;
  const groups = [['http'], ['https', 'tls']];
  if (!groups.some((group) => group.includes(one.protocol) && group.includes(other.protocol)))
    return 'ProtocolConflict';
  return hostnameOf(one) === hostnameOf(other) ? 'HostnameConflict' : undefined;
}

/** A clash by protocol comes first. */
const first = (clashes: readonly (string | undefined)[]) =>
  clashes.find((one) => one === 'ProtocolConflict') ?? clashes.find((one) => one !== undefined);

describe('ListenerIndex', () => {
  it('finds the listeners that exclude another one, as comparing each does', () => {
    fc.assert(
      fc.property(fc.array(anyListener, { maxLength: 6 }), anyListener, (others, one) => {
        const want = first(others.map((other) => compare(one, other)));
        assert.equal(new ListenerIndex(others).findClash(one), want);
        assert.equal(new ListenerIndex([...others, one]).findClash(one, true), want);
      }),
    );
  });
});

describe('findOverlapping', () => {
  it('finds HTTPS listeners with common names, as comparing each pair does', () => {
    fc.assert(
      fc.property(fc.array(anyListener, { maxLength: 6 }), (listeners) => {
        const want = listeners.filter((one) =>
          listeners.some((other) => {
            if (one === other || one.port !== other.port) return false;
            if (one.protocol !== 'https' || other.protocol !== 'https') return false;
            return covers(hostnameOf(one), hostnameOf(other)) || covers(hostnameOf(other), hostnameOf(one));
          }),
        );
        assert.deepEqual(new Set(findOverlapping(listeners)), new Set(want));
      }),
    );
  });
});
