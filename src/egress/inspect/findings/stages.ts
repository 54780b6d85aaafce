import type { ForeignChain, ForeignHook, ForeignTable, Probe, Ruleset } from '../../../base/firewall/chain.ts';
import type { Address, Family } from '../../../base/model/address.ts';
import { expandNames, fallbackOf, type Redirect } from '../../../base/model/redirect.ts';
import type { Observation } from '../observation.ts';

/** A router's packet at one hook, and the traffic that is lost if it is dropped. */
export interface Stage {
  readonly hook: ForeignHook;
  readonly probe: Probe;
  readonly what: string;
  readonly isReply?: true;
}

/** How many redirects are traced. Rules that single out one port among thousands are rare. */
const followed = 256;

/** Returns the base chains at a hook. */
export function chainsAt(
  ruleset: Ruleset,
  hook: ForeignHook,
  family: Family,
): { table: ForeignTable; chain: ForeignChain }[] {
  return ruleset.tables
    .filter((table) => table.families.includes(family))
    .flatMap((table) =>
      table.chains.filter((chain) => chain.hook === hook).map((chain) => ({ table, chain: passOurs(chain, hook) })),
    );
}

/**
 * Replaces jumps to the router's own iptables chains by their outcome: in FORWARD they accept, elsewhere they
 * return to the built-in chain.
 */
function passOurs(chain: ForeignChain, hook: ForeignHook): ForeignChain {
  return {
    ...chain,
    rules: chain.rules.map((rule) => {
      const isOurs = 'chain' in rule.verdict && rule.verdict.chain.startsWith('ER-');
      if (!isOurs) return rule;
      // Its translation ends the chain.
      if (chain.isNat === true) return { ...rule, conditions: [], verdict: { kind: 'return' } };
      return { ...rule, conditions: [], verdict: { kind: hook === 'forward' ? 'accept' : 'none' } };
    }),
  };
}

/** Lists the first packet of each redirect and its reply, at every hook that they traverse. */
export function listStages({ resolved, state, pod }: Observation): Stage[] {
  return state.podLinks.flatMap(({ family, link: podLink }) => {
    const own = pod.addresses.find((one) => one.link === podLink && one.prefix.address.family === family)?.prefix
      .address;
    const { redirects: fixed, named, fallbackName } = resolved.spec.redirects;
    const redirects = [...fixed, ...expandNames(named)].filter(({ target }) => target.family === family);
    const fallback =
      fallbackOf(resolved.spec.redirects, family) ?? fallbackName?.targets.find((target) => target.family === family);
    // Any port without a redirect represents the fallback.
    const samples: Redirect[] = [
      ...redirects.slice(0, followed),
      ...(fallback === undefined ? [] : [{ protocol: 'tcp', port: 65535, target: fallback } satisfies Redirect]),
    ];
    return samples.flatMap((redirect) => stagesOf(redirect, podLink, state.link, own, redirects.includes(redirect)));
  });
}

function stagesOf(
  { protocol, port, target, targetPort = port }: Redirect,
  podLink: string,
  egress: string,
  own: Address | undefined,
  isRedirect: boolean,
): Stage[] {
  const { family } = target;
  const what = isRedirect ? `${port}/${protocol}` : 'the fallback';
  const first = { family, protocol, incoming: podLink, state: 'new' } as const;
  const reply = {
    family,
    protocol,
    incoming: egress,
    state: 'established',
    source: target,
    sourcePort: targetPort,
  } as const;
  return [
    {
      hook: 'prerouting',
      what,
      probe: {
        ...first,
        destinationPort: port,
        isRedirected: false,
        isLocal: true,
        ...(own !== undefined && { destination: own }),
      },
    },
    {
      hook: 'forward',
      what,
      probe: { ...first, outgoing: egress, destination: target, destinationPort: targetPort, isRedirected: true },
    },
    {
      hook: 'postrouting',
      what,
      probe: { ...first, outgoing: egress, destination: target, destinationPort: targetPort, isRedirected: true },
    },
    { hook: 'prerouting', what: `replies of ${what}`, probe: { ...reply, isRedirected: true }, isReply: true },
    {
      hook: 'forward',
      what: `replies of ${what}`,
      probe: { ...reply, outgoing: podLink, isRedirected: true },
      isReply: true,
    },
    {
      hook: 'postrouting',
      what: `replies of ${what}`,
      probe: { ...reply, outgoing: podLink, isRedirected: true },
      isReply: true,
    },
  ];
}
