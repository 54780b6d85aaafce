import { isLinkLocal } from '../../../base/model/address.ts';
import type { Link } from '../../../base/model/network.ts';
import { ownerComment } from '../../../base/rules/owner.ts';
import type { Deviation } from '../../plan/check.ts';
import { ownerOf } from '../../plan/desired.ts';
import { type Finding, inNamespace, recreate } from '../finding.ts';
import type { Observation } from '../observation.ts';

/** What is wrong with the router's own interface. */
export function findLinkProblems(observation: Observation, deviations: readonly Deviation[]): Finding[] {
  const findings = deviations.flatMap((deviation): Finding[] => {
    const finding = describeLink(observation, deviation);
    return finding === undefined ? [] : [finding];
  });
  // How somebody else's interface is made is nobody's fault.
  const replaced = findings.find(({ code }) => code === 'link-replaced');
  return replaced === undefined ? findings : [replaced];
}

function describeLink(observation: Observation, { kind, text, subject }: Deviation): Finding | undefined {
  const { netns, state, resolved, pod, node } = observation;
  const { link } = state;
  switch (kind) {
    case 'link-missing':
      return describeMissing(observation);
    case 'link-kind':
    case 'link-alias':
      return { code: 'link-replaced', what: `${text}; somebody put another in its place`, cure: recreate };
    case 'link-mode':
      return {
        code: 'link-mode',
        what: text,
        cure: inNamespace(netns, `ip link set ${link} type macvlan mode ${resolved.spec.mode}`),
      };
    case 'link-master': {
      const there = nodeLink(node.links, pod.links.find((one) => one.name === link)?.parentIndex);
      const seen = there === undefined ? '' : `, but on ${there.name}`;
      return { code: 'link-master', what: `${text}${seen}`, cure: recreate };
    }
    case 'link-mtu':
      return describeMtu(observation, text);
    case 'link-mac':
      return {
        code: 'link-mac',
        what: text,
        cure: inNamespace(netns, `ip link set ${link} address ${resolved.spec.mac}`),
      };
    case 'link-down':
      return {
        code: 'link-down',
        what: `${text}, and its routes went with it`,
        cure: `${recreate}; setting it up does not bring the routes back`,
      };
    case 'address-missing':
      return {
        code: 'address-missing',
        what: `the reserved ${text}: nothing can leave with it`,
        cure: `${recreate}, and find out who removed the address ${subject}`,
      };
    default:
      return undefined;
  }
}

function describeMissing({ state, pod }: Observation): Finding {
  const renamed = pod.links.find((one) => one.alias === ownerComment(ownerOf(state.id)) && one.name !== state.link);
  if (renamed === undefined) {
    return { code: 'link-missing', what: `interface ${state.link} is missing`, cure: recreate };
  }
  return {
    code: 'link-renamed',
    what: `interface ${state.link} was renamed to ${renamed.name}: rules and routes no longer find it`,
    cure: recreate,
  };
}

function describeMtu({ netns, state, resolved }: Observation, text: string): Finding {
  const { mtu, master } = resolved;
  if (master.mtu < mtu) {
    return {
      code: 'link-mtu',
      what: `${text}: master ${master.name} has only ${master.mtu}`,
      cure: `run "ip link set ${master.name} mtu ${mtu}" on the node, or delete the pod to go on with ${master.mtu}`,
    };
  }
  return { code: 'link-mtu', what: text, cure: inNamespace(netns, `ip link set ${state.link} mtu ${mtu}`) };
}

/** What is wrong with the interface of the node that the router sits on. */
export function findMasterProblems({ state, node, pod }: Observation): Finding[] {
  if (state.master === '') return [];
  const master = node.links.find((one) => one.name === state.master);
  if (master === undefined) {
    const now = nodeLink(node.links, pod.links.find((one) => one.name === state.link)?.parentIndex);
    const renamed = now === undefined ? '' : `; the router sits on ${now.name} now`;
    return [
      {
        code: 'master-missing',
        what: `the node has no interface ${state.master}, the master of ${state.link}${renamed}`,
        cure: `look from the node's own network namespace; if it was renamed, set interfaceArgs.master and ${recreate}`,
      },
    ];
  }
  if (!master.up) {
    return [
      {
        code: 'master-down',
        what: `${master.name}, the master of ${state.link} on the node, is down`,
        cure: `run "ip link set ${master.name} up" on the node`,
      },
    ];
  }
  if (master.carrier === false) {
    return [
      {
        code: 'master-down',
        what: `${master.name}, the master of ${state.link} on the node, has no carrier`,
        cure: 'check the cable, the port of the switch and what the interface is made of',
      },
    ];
  }
  return [];
}

function nodeLink(links: readonly Link[], index: number | undefined): Link | undefined {
  return links.find((one) => one.index === index);
}

/** What is wrong with the interfaces that clients come in by. */
export function findPodLinkProblems({ state, pod, netns }: Observation): Finding[] {
  const problems = state.podLinks.flatMap(({ family, link: name }): Finding[] => {
    const link = pod.links.find((one) => one.name === name);
    if (link === undefined) {
      return [{ code: 'pod-link', what: `interface ${name}, by which clients come in, is missing`, cure: recreate }];
    }
    if (!link.up) {
      return [
        {
          code: 'pod-link',
          what: `interface ${name}, by which clients come in, is down`,
          cure: `${inNamespace(netns, `ip link set ${name} up`)}; if routes went with it, ${recreate}`,
        },
      ];
    }
    const isReachable = pod.addresses.some(
      (one) => one.link === name && one.prefix.address.family === family && !isLinkLocal(one.prefix.address),
    );
    if (isReachable) return [];
    return [
      {
        code: 'pod-link',
        what: `interface ${name} has lost its IPv${family} address: no client reaches the router`,
        cure: recreate,
      },
    ];
  });
  // Both families by one interface is one problem.
  return problems.filter(({ what }, index) => problems.findIndex((one) => one.what === what) === index);
}
