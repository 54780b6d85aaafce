import { type Finding, inNamespace } from '../finding.ts';
import type { Observation } from '../observation.ts';

/** What is wrong beyond the interface: gateways that are silent, addresses that somebody else has. */
export function findNeighbourProblems(observation: Observation): Finding[] {
  const { claimants, resolved, state } = observation;
  if (claimants === undefined) return [];
  return resolved.reserved.flatMap(({ prefix, gateway }): Finding[] => {
    const thieves = claimants.filter(({ address }) => address.text === prefix.address.text);
    const taken = thieves.map(
      ({ mac }): Finding => ({
        code: 'address-taken',
        what: `the reserved address ${prefix.address.text} is in use by another host too, ${mac}`,
        cure: `find that host (the switch knows the port of ${mac}) and take the address away from it, or reserve another`,
      }),
    );
    const answers = claimants.filter(({ address }) => address.text === gateway.text);
    if (answers.length > 0) return [...taken, ...findWrongMac(observation, gateway.text)];
    return [
      ...taken,
      {
        code: 'gateway-silent',
        what: `the gateway ${gateway.text} does not answer on ${state.link}`,
        cure: `check that it is up, that master ${state.master} is in its network (VLAN, cable, port security), and that ip.gateway is right`,
      },
    ];
  });
}

/** An entry that somebody nailed down, and that is not what the gateway says itself. */
function findWrongMac({ claimants = [], neighbours, state, pod, netns }: Observation, gateway: string): Finding[] {
  const index = pod.links.find((one) => one.name === state.link)?.index;
  const entry = neighbours.find((one) => one.linkIndex === index && one.address.text === gateway);
  if (entry?.state !== 'permanent' || entry.mac === undefined) return [];
  const said = claimants.filter(({ address }) => address.text === gateway).map(({ mac }) => mac);
  if (said.includes(entry.mac)) return [];
  return [
    {
      code: 'gateway-mac',
      what: `the pod believes that the gateway ${gateway} is ${entry.mac}, permanently, but ${said.join(' and ')} answers for it`,
      cure: inNamespace(netns, `ip neigh delete ${gateway} dev ${state.link}`),
    },
  ];
}
