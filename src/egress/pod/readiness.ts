import { type Address, containsAddress, type Prefix } from '../../base/model/address.ts';
import type { Link } from '../../base/model/network.ts';
import type { LinkView, PodView } from '../../base/model/observed.ts';

/** Required state of a router's pod. */
export interface PodExpectation {
  readonly interface: string;
  readonly addresses: readonly Prefix[];
  /** Known gateways; a family without one only needs a default route. */
  readonly gateways: readonly Address[];
}

const mainTable = 254;

/**
 * Returns the reasons why a router's pod is not ready, each with a cure, because administrators read the pod's
 * status first. Empty if the pod is ready. A gateway counts as silent only where the kernel has asked it in vain:
 * nothing is sent to find out, because another machine may have the address by now.
 */
export function findUnreadiness(expected: PodExpectation, view: PodView): readonly string[] {
  const problems = findKernelProblems(expected, view);
  const link = view.links.find(({ name }) => name === expected.interface);
  if (link === undefined || problems.length > 0) return problems;
  return expected.gateways.flatMap((gateway) => findGatewayProblem(gateway, link, view));
}

/** As {@link findUnreadiness}, without what neighbours say. */
export function findKernelProblems(expected: PodExpectation, view: LinkView): readonly string[] {
  const link = view.links.find(({ name }) => name === expected.interface);
  if (link === undefined) {
    return [
      `interface ${expected.interface} is missing: check that Multus runs on the node and reads the pod's network annotation`,
    ];
  }
  if (!link.up) return [`${link.name} is down: delete the pod, and find out what changed the interface`];
  if (link.carrier === false)
    return [`${link.name} has no carrier: check that its master on the node is up and has a cable`];
  return [
    ...expected.addresses.flatMap((prefix) => findMissingAddress(prefix, link, view)),
    ...expected.addresses.flatMap((prefix) => findRouteProblem(prefix, expected.gateways, link, view)),
  ];
}

function findMissingAddress({ address }: Prefix, link: Link, { addresses }: Pick<PodView, 'addresses'>): string[] {
  const isThere = addresses.some((one) => one.link === link.name && one.prefix.address.text === address.text);
  return isThere ? [] : [`${link.name} lacks the reserved address ${address.text}: delete the pod`];
}

function findRouteProblem(
  { address: { family }, length, address }: Prefix,
  gateways: readonly Address[],
  link: Link,
  { routes }: Pick<PodView, 'routes'>,
): string[] {
  const [best] = routes
    .filter((route) => route.family === family && route.table === mainTable && route.destination.length === 0)
    .toSorted((one, other) => (one.metric ?? 0) - (other.metric ?? 0));
  if (best === undefined) return [`the IPv${family} default route is missing: delete the pod`];
  if (best.link !== link.name) {
    return [`the IPv${family} default route uses ${best.link ?? 'no interface'}, not ${link.name}: delete the pod`];
  }
  const gateway = gateways.find((one) => containsAddress({ address, length }, one));
  if (gateway === undefined || best.gateway?.text === gateway.text) return [];
  return [
    `the IPv${family} default route uses ${best.gateway === undefined ? 'no gateway' : `gateway ${best.gateway.text}`}, not ${gateway.text}: delete the pod`,
  ];
}

function findGatewayProblem(gateway: Address, link: Link, { neighbours }: PodView): string[] {
  const known = neighbours.find(({ linkIndex, address }) => linkIndex === link.index && address.text === gateway.text);
  if (known?.state !== 'failed' && known?.state !== 'incomplete') return [];
  const cure = `check that it is up and on the network of ${link.name}'s master`;
  return [`the gateway ${gateway.text} does not answer on ${link.name}: ${cure}`];
}
