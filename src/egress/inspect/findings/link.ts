import { isLinkLocal } from '../../../base/model/address.ts';
import { formatLinkKind } from '../../../base/model/link-kind.ts';
import type { Link } from '../../../base/model/network.ts';
import { ownerComment } from '../../../base/rules/owner.ts';
import type { Deviation } from '../../plan/check.ts';
import { ownerOf } from '../../plan/desired.ts';
import { type Finding, inNamespace, recreate } from '../finding.ts';
import type { Observation } from '../observation.ts';

/** Finds problems with the router's own interface. */
export function findLinkProblems(observation: Observation, deviations: readonly Deviation[]): Finding[] {
  const findings = deviations.flatMap((deviation): Finding[] => {
    const finding = describeLink(observation, deviation);
    return finding === undefined ? [] : [finding];
  });
  // The settings of a replacement interface say nothing about the router.
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
      return { code: 'link-replaced', what: `${text}; another interface took its place`, cure: recreate };
    case 'link-mode':
      return {
        code: 'link-mode',
        what: text,
        cure: inNamespace(netns, `ip link set ${link} type ${formatLinkKind(resolved.spec.kind)}`),
      };
    case 'link-master': {
      const there = nodeLink(node.links, pod.links.find((one) => one.name === link)?.parentIndex);
      const seen = there === undefined ? '' : ` but on ${there.name}`;
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
        what: `${text}, so the kernel removed its routes`,
        cure: `${recreate}; setting the interface up does not restore the routes`,
      };
    case 'address-missing':
      return {
        code: 'address-missing',
        what: `the reserved ${text}, so no traffic can use it as its source`,
        cure: `${recreate}, and find out what removed the address ${subject}`,
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
    what: `interface ${state.link} was renamed to ${renamed.name}, so rules and routes no longer match it`,
    cure: recreate,
  };
}

function describeMtu({ netns, state, resolved }: Observation, text: string): Finding {
  const { mtu, master } = resolved;
  if (master.mtu < mtu) {
    return {
      code: 'link-mtu',
      what: `${text}, because master ${master.name} has MTU ${master.mtu}`,
      cure: `run "ip link set ${master.name} mtu ${mtu}" on the node, or delete the pod to recreate the router with MTU ${master.mtu}`,
    };
  }
  return { code: 'link-mtu', what: text, cure: inNamespace(netns, `ip link set ${state.link} mtu ${mtu}`) };
}

/** Finds problems with the router's master interface on the node. */
export function findMasterProblems({ state, node, pod }: Observation): Finding[] {
  if (state.master === '') return [];
  const master = node.links.find((one) => one.name === state.master);
  if (master === undefined) {
    const now = nodeLink(node.links, pod.links.find((one) => one.name === state.link)?.parentIndex);
    const renamed = now === undefined ? '' : `; the master is now ${now.name}`;
    return [
      {
        code: 'master-missing',
        what: `the node has no interface ${state.master}, the master of ${state.link}${renamed}`,
        cure: `run erctl in the node's own network namespace; if the interface was renamed, update interfaceArgs.master and ${recreate}`,
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
        cure: 'check the cable, the switch port and the interfaces below it (bond, VLAN)',
      },
    ];
  }
  return [];
}

/** Kinds of links that cannot be a master. One with the right index belongs to another namespace than the master. */
const otherKinds: readonly string[] = ['ifb', 'dummy', 'sit', 'ip6tnl', 'ipip', 'gre', 'ip6gre', 'vti', 'vti6', 'tun'];

/** Finds the master by its index. It is unknown if erctl runs outside the node's network namespace. */
function nodeLink(links: readonly Link[], index: number | undefined): Link | undefined {
  return links.find((one) => one.index === index && one.name !== 'lo' && !otherKinds.includes(one.kind ?? ''));
}

/** Finds problems with the pod interfaces on which clients connect. */
export function findPodLinkProblems({ state, pod, netns }: Observation): Finding[] {
  const problems = state.podLinks.flatMap(({ family, link: name }): Finding[] => {
    const link = pod.links.find((one) => one.name === name);
    if (link === undefined) {
      return [{ code: 'pod-link', what: `interface ${name}, on which clients connect, is missing`, cure: recreate }];
    }
    if (!link.up) {
      return [
        {
          code: 'pod-link',
          what: `interface ${name}, on which clients connect, is down`,
          cure: `${inNamespace(netns, `ip link set ${name} up`)}; if its routes are gone, ${recreate}`,
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
        what: `interface ${name} lost its IPv${family} address, so clients cannot reach the router`,
        cure: recreate,
      },
    ];
  });
  // One interface that serves both families is one problem.
  return problems.filter(({ what }, index) => problems.findIndex((one) => one.what === what) === index);
}
