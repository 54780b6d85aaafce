import { type Address, containsAddress, type Prefix } from '../../base/model/address.ts';
import type { Link } from '../../base/model/network.ts';
import type { PodView } from '../../base/model/observed.ts';

/** What a router's pod must have. */
export interface PodExpectation {
  readonly interface: string;
  readonly addresses: readonly Prefix[];
  /** Those that are known; of a family without one only a default route is asked for. */
  readonly gateways: readonly Address[];
}

const mainTable = 254;

/**
 * Why a router's pod is not ready, a line each with the cure: whatever is written into its status is
 * what an administrator reads first. Empty where all is well.
 */
export function findUnreadiness(expected: PodExpectation, view: PodView): readonly string[] {
  const link = view.links.find(({ name }) => name === expected.interface);
  if (link === undefined) {
    return [`there is no interface ${expected.interface}: does Multus run on the node, and read the pod's annotation?`];
  }
  if (!link.up) return [`${link.name} is down: was it changed in the pod? Delete the pod`];
  if (link.carrier === false) return [`${link.name} has no carrier: its master on the node is down, or has no cable`];
  return [
    ...expected.addresses.flatMap((prefix) => findMissingAddress(prefix, link, view)),
    ...expected.addresses.flatMap((prefix) => findRouteProblem(prefix, expected.gateways, link, view)),
    ...expected.gateways.flatMap((gateway) => findGatewayProblem(gateway, link, view)),
  ];
}

function findMissingAddress({ address }: Prefix, link: Link, { addresses }: PodView): string[] {
  const isThere = addresses.some((one) => one.link === link.name && one.prefix.address.text === address.text);
  return isThere ? [] : [`${link.name} has not the reserved address ${address.text}: delete the pod`];
}

function findRouteProblem(
  { address: { family }, length, address }: Prefix,
  gateways: readonly Address[],
  link: Link,
  { routes }: PodView,
): string[] {
  const [best] = routes
    .filter((route) => route.family === family && route.table === mainTable && route.destination.length === 0)
    .toSorted((one, other) => (one.metric ?? 0) - (other.metric ?? 0));
  if (best === undefined) return [`there is no default route for IPv${family}: delete the pod`];
  if (best.link !== link.name) {
    return [
      `the default route for IPv${family} goes by ${best.link ?? 'nowhere'}, not by ${link.name}: delete the pod`,
    ];
  }
  const gateway = gateways.find((one) => containsAddress({ address, length }, one));
  if (gateway === undefined || best.gateway?.text === gateway.text) return [];
  return [
    `the default route for IPv${family} goes to ${best.gateway?.text ?? 'the link'}, not to ${gateway.text}: delete the pod`,
  ];
}

function findGatewayProblem(gateway: Address, link: Link, { neighbours }: PodView): string[] {
  const known = neighbours.find(({ linkIndex, address }) => linkIndex === link.index && address.text === gateway.text);
  if (known?.state !== 'failed' && known?.state !== 'incomplete' && known !== undefined) return [];
  const cure = `is it up, and on the network of ${link.name}'s master?`;
  return [`the gateway ${gateway.text} does not answer on ${link.name}: ${cure}`];
}

/** The gateways of which the kernel does not know whether they answer: a packet makes it ask. */
export function listUncertain(expected: PodExpectation, view: PodView): readonly Address[] {
  const link = view.links.find(({ name }) => name === expected.interface);
  if (link === undefined || !link.up) return [];
  return expected.gateways.filter((gateway) => {
    const known = view.neighbours.find(
      ({ linkIndex, address }) => linkIndex === link.index && address.text === gateway.text,
    );
    return known?.state !== 'reachable' && known?.state !== 'permanent' && known?.state !== 'noarp';
  });
}

/** Whether any of these gateways is still being asked for. */
export function isUndecided(gateways: readonly Address[], view: PodView): boolean {
  return gateways.some((gateway) => {
    const known = view.neighbours.find(({ address }) => address.text === gateway.text);
    return known === undefined || known.state === 'incomplete' || known.state === 'none';
  });
}
