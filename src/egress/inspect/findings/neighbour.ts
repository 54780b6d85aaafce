import { type Finding, inNamespace } from '../finding.ts';
import type { Observation } from '../observation.ts';

/** Finds problems on the attached network: gateways that do not answer, reserved addresses in use elsewhere. */
export function findNeighbourProblems(observation: Observation): Finding[] {
  const { claimants, resolved, state } = observation;
  if (claimants === undefined) return [];
  return resolved.reserved.flatMap(({ prefix, gateway }): Finding[] => {
    const thieves = claimants.filter(({ address }) => address.text === prefix.address.text);
    const taken = thieves.map(
      ({ mac }): Finding => ({
        code: 'address-taken',
        what: `another host, ${mac}, also uses the reserved address ${prefix.address.text}`,
        cure: `find that host by the switch port of ${mac} and remove the address from it, or reserve another address`,
      }),
    );
    const answers = claimants.filter(({ address }) => address.text === gateway.text);
    if (answers.length > 0) return [...taken, ...findWrongMac(observation, gateway.text)];
    return [
      ...taken,
      {
        code: 'gateway-silent',
        what: `the gateway ${gateway.text} does not answer on ${state.link}`,
        cure: `check that the gateway is up, that master ${state.master} is connected to its network (VLAN, cable, port security), and that ip.gateway is correct`,
      },
    ];
  });
}

/** Finds a permanent neighbor entry that contradicts the gateway's own answer. */
function findWrongMac({ claimants = [], neighbours, state, pod, netns }: Observation, gateway: string): Finding[] {
  const index = pod.links.find((one) => one.name === state.link)?.index;
  const entry = neighbours.find((one) => one.linkIndex === index && one.address.text === gateway);
  if (entry?.state !== 'permanent' || entry.mac === undefined) return [];
  const said = claimants.filter(({ address }) => address.text === gateway).map(({ mac }) => mac);
  if (said.includes(entry.mac)) return [];
  return [
    {
      code: 'gateway-mac',
      what: `the pod has a permanent neighbor entry ${entry.mac} for the gateway ${gateway}, but the gateway answers from ${said.join(' and ')}`,
      cure: inNamespace(netns, `ip neigh delete ${gateway} dev ${state.link}`),
    },
  ];
}
