import {
  decide,
  linkNameBytes,
  matchBits,
  matchBytes,
  matchConnection,
  matchLocalDestination,
  matchMeta,
  type NftExpression,
  reject,
  setBits,
  translate,
  translateByMap,
} from '../../base/linux/netlink/nft-expression.ts';
import {
  type BaseChain,
  type MapTypes,
  type TableKey,
  writeNewChain,
  writeNewMap,
  writeNewRule,
  writeNewTable,
} from '../../base/linux/netlink/nft-messages.ts';
import { nftFamily } from '../../base/linux/netlink/nft-socket.ts';
import { writeElements } from '../../base/linux/netlink/nftables.ts';
import { addressBytes, type Prefix } from '../../base/model/address.ts';
import { protocolNumbers } from '../../base/model/redirect.ts';
import type {
  Action,
  Chain,
  ConnectionState,
  Hook,
  Match,
  RedirectTable,
  Rule,
  RuleProgram,
} from '../../base/model/rules.ts';
import { splitElements } from '../../base/rules/nftables/elements.ts';
import { mapName, tableNameOf } from '../../base/rules/nftables/render.ts';
import { ownerComment } from '../../base/rules/owner.ts';

/** nft's type numbers, from `inet_service` to `ipv6_addr`. Concatenated types combine their numbers, six bits each. */
const service = 13;
const addressTypes = { 4: 7, 6: 8 } as const;
const typeBits = 6;

/** `NF_INET_*`, and the priorities of the same chains in `render.ts`. */
const bases: Readonly<Record<Hook, Omit<BaseChain, 'name'>>> = {
  'mangle-prerouting': { type: 'filter', hook: 0, priority: -150 },
  'nat-prerouting': { type: 'nat', hook: 0, priority: -100 },
  'filter-input': { type: 'filter', hook: 1, priority: 0 },
  'filter-forward': { type: 'filter', hook: 2, priority: 0 },
  // Type `route`: the kernel looks up the route again when the mark changes.
  'mangle-output': { type: 'route', hook: 3, priority: -150 },
  'mangle-postrouting': { type: 'filter', hook: 4, priority: -150 },
  'nat-postrouting': { type: 'nat', hook: 4, priority: 100 },
};

/** `NF_CT_STATE_BIT` and related values. */
const stateBits: Readonly<Record<ConnectionState, number>> = {
  invalid: 1,
  established: 2,
  related: 4,
  new: 8,
  untracked: 64,
};
/** `IPS_*`. */
const statusBits = { confirmed: 8, source: 16, destination: 32 } as const;
const nftFamilies = { 4: 2, 6: 10 } as const;
const icmpv6 = 58;

/**
 * Returns the messages that create a program's table with its redirects in one transaction: the same expressions that
 * `nft -f` creates from `compareNftables`, without starting a process. The kernel rejects them if a table of this
 * name exists. Returns undefined if the program contains an unsupported rule.
 */
export function writeProgram(program: RuleProgram): Buffer[] | undefined {
  const table: TableKey = { family: nftFamily.inet, name: tableNameOf(program.name) };
  const chains = program.chains.filter((chain) => chain.rules.length > 0);
  const rules = chains.flatMap((chain) => writeRules(table, chain));
  if (rules.includes(undefined)) return undefined;
  return [
    writeNewTable(table, ownerComment(program.owner)),
    ...program.tables.map((one, index) => writeNewMap(table, mapName(one), index + 1, typesOf(one))),
    ...writeElements(table.name, splitElements(program).elements),
    ...chains.map(({ hook }) => writeNewChain(table, { name: hook, ...bases[hook] })),
    ...rules.filter((rule) => rule !== undefined),
  ];
}

function typesOf({ family }: RedirectTable): MapTypes {
  return {
    key: { type: service, length: 2 },
    data: { type: (addressTypes[family] << typeBits) | service, length: family === 4 ? 8 : 20 },
  };
}

function writeRules(table: TableKey, { hook, rules }: Chain): (Buffer | undefined)[] {
  return rules.map((rule) => {
    const expressions = expressionsOf(rule);
    return expressions && writeNewRule(table, hook, expressions);
  });
}

function expressionsOf({ family, matches, action }: Rule): NftExpression[] | undefined {
  let known = family;
  const expressions: (NftExpression | undefined)[] = family === undefined ? [] : [isOfFamily(family)];
  for (const match of matches) {
    // A field of one family's header requires a match on the family first.
    const needed = familyOf(match);
    if (needed !== undefined && known === undefined) {
      expressions.push(isOfFamily(needed));
      known = needed;
    }
    expressions.push(writeMatch(match));
  }
  expressions.push(writeAction(action));
  return expressions.includes(undefined) ? undefined : expressions.filter((one) => one !== undefined);
}

function isOfFamily(family: 4 | 6): NftExpression {
  return matchMeta('family', Uint8Array.of(nftFamilies[family]));
}

function familyOf(match: Match): 4 | 6 | undefined {
  if (match.on === 'source') return match.prefix.address.family;
  return match.on === 'icmpv6-type' ? 6 : undefined;
}

function writeMatch(match: Match): NftExpression | undefined {
  const not = 'not' in match && match.not === true;
  switch (match.on) {
    case 'incoming':
    case 'outgoing':
      return matchMeta(match.on, linkNameBytes(match.link), { not });
    case 'protocol':
      return matchMeta('transport', Uint8Array.of(protocolNumberOf(match.protocol)), { not });
    case 'source':
      return matchSource(match.prefix, not);
    case 'local-destination':
      return matchLocalDestination;
    case 'mark':
    case 'connection-mark':
      return matchBits(match.on, match.mask, match.value, { not });
    case 'state': {
      const bits = match.states.reduce((sum, state) => sum | stateBits[state], 0);
      return matchBits('connection-state', bits, 0, { not: true });
    }
    case 'translated':
      return matchBits('connection-status', statusBits[match.part], statusBits[match.part], { not });
    case 'confirmed':
      return matchBits('connection-status', statusBits.confirmed, statusBits.confirmed);
    case 'direction':
      return matchConnection('direction', Uint8Array.of(match.direction === 'original' ? 0 : 1));
    case 'icmpv6-type':
      return both(matchMeta('transport', Uint8Array.of(icmpv6)), matchBytes('transport', 0, Uint8Array.of(match.type)));
    case 'ports':
    case 'source-bits':
    case 'turn':
      return undefined;
  }
}

function protocolNumberOf(protocol: Extract<Match, { on: 'protocol' }>['protocol']): number {
  return protocol === 'icmpv6' ? icmpv6 : protocolNumbers[protocol];
}

/** Matches whole addresses only, because no rule here matches networks. */
function matchSource({ address, length }: Prefix, not: boolean): NftExpression | undefined {
  const bytes = addressBytes(address);
  if (length !== bytes.length * 8) return undefined;
  return matchBytes('network', address.family === 4 ? 12 : 8, bytes, { not });
}

function writeAction(action: Action): NftExpression | undefined {
  switch (action.do) {
    case 'accept':
    case 'drop':
    case 'return':
      return decide(action.do);
    case 'reject':
      return reject(action.with);
    case 'set-mark':
      return setBits('mark', action.mask, action.value);
    case 'set-connection-mark':
      return setBits('connection-mark', action.mask, action.value);
    case 'dnat':
    case 'snat': {
      const { family } = action.address;
      const port = action.port === undefined ? undefined : Uint8Array.of(action.port >> 8, action.port & 0xff);
      return translate(action.do, family, addressBytes(action.address), port);
    }
    case 'redirect':
      return translateByMap(action.table.family, mapName(action.table));
    case 'redirect-shared':
    case 'share':
      return undefined;
  }
}

function both(one: NftExpression, other: NftExpression): NftExpression {
  return (out) => {
    one(out);
    other(out);
  };
}
