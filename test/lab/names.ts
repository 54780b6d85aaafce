/** The hosts of the lab; each is a network namespace named after the lab's prefix. `extra` is a test's own to make. */
export const hosts = ['phys', 'node', 'node2', 'pod', 'near', 'far', 'outside', 'outsider', 'extra'] as const;

/** One host of the lab. */
export type Host = (typeof hosts)[number];

/** Addresses of the lab: those of OpenShift's example, and what surrounds them. */
export const addresses = {
  /** The reserved address, with its gateway. */
  reserved: { 4: '192.168.12.99', 6: '2001:db8:12::99' },
  gateway: { 4: '192.168.12.1', 6: '2001:db8:12::1' },
  node: { 4: '192.168.12.5', 6: '2001:db8:12::5' },
  node2: { 4: '192.168.12.6', 6: '2001:db8:12::6' },
  /** A host of the physical network that is no gateway. */
  outsider: { 4: '192.168.12.66', 6: '2001:db8:12::66' },
  pod: { 4: '10.128.10.18', 6: 'fd00:10:128:10::18' },
  /** A client in the pod's own subnet. */
  near: { 4: '10.128.10.30', 6: 'fd00:10:128:10::30' },
  /** A client in another subnet of the cluster. */
  far: { 4: '10.128.20.30', 6: 'fd00:10:128:20::30' },
  /** Destinations outside. */
  web: { 4: '203.0.113.26', 6: '2001:db8:203::26' },
  secure: { 4: '203.0.113.27', 6: '2001:db8:203::27' },
  datagrams: { 4: '10.0.0.99', 6: '2001:db8:99::99' },
  fallback: { 4: '203.0.113.30', 6: '2001:db8:203::30' },
} as const;
