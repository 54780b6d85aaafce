import assert from 'node:assert/strict';
import { type Address, parseAddress } from '../../../../src/base/model/address.ts';
import type { EgressRules } from '../../../../src/egress/plan/rules.ts';

/** An address that the test knows to be one. */
export function address(text: string): Address {
  const parsed = parseAddress(text);
  assert.ok(parsed, text);
  return parsed;
}

/** The router of OpenShift's documentation. */
export const documented: EgressRules = {
  owner: 'c0ffee',
  egressLink: 'net1',
  podLinks: { 4: 'eth0' },
  reserved: [address('192.168.12.99')],
  redirects: {
    redirects: [
      { protocol: 'udp', port: 80, target: address('10.0.0.99') },
      { protocol: 'tcp', port: 8080, target: address('203.0.113.26'), targetPort: 80 },
      { protocol: 'tcp', port: 8443, target: address('203.0.113.27'), targetPort: 443 },
    ],
    fallbacks: [],
  },
  slot: 1,
};

/** Both families, all protocols, a fallback, and more ports than one chain holds. */
export const everything: EgressRules = {
  owner: 'c0ffee',
  egressLink: 'net1',
  podLinks: { 4: 'eth0', 6: 'eth0' },
  reserved: [address('192.168.12.99'), address('2001:db8:12::99')],
  redirects: {
    redirects: [
      ...Array.from({ length: 20 }, (_, index) => ({
        protocol: 'tcp' as const,
        port: 8000 + index * 7,
        target: address(`203.0.113.${index + 1}`),
      })),
      { protocol: 'sctp', port: 9, target: address('203.0.113.99'), targetPort: 9999 },
      { protocol: 'tcp', port: 443, target: address('2001:db8:203::26'), targetPort: 8443 },
    ],
    fallbacks: [address('203.0.113.30')],
  },
  slot: 3,
};
