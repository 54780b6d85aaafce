import type { AttrStream } from 'netlink/dist/structs.js';
import type { LinkKind, LinkType } from '../../model/link-kind.ts';
import { pushNumber, pushText, readAttributes, readNumber, readText } from './attributes.ts';

/** `IFLA_INFO_KIND` and `IFLA_INFO_DATA` of `<linux/if_link.h>`. */
const infoAttribute = { kind: 1, data: 2 } as const;

/** How the kernel writes the mode of a kind: its attribute in IFLA_INFO_DATA, and the number of each mode. */
interface ModeCodec<Mode extends string> {
  readonly attribute: number;
  readonly numbers: Readonly<Record<Mode, number>>;
}

const codecs: { readonly [Type in LinkType]: ModeCodec<Extract<LinkKind, { type: Type }>['mode']> } = {
  // IFLA_MACVLAN_MODE and MACVLAN_MODE_* of <linux/if_link.h>.
  macvlan: { attribute: 1, numbers: { private: 1, vepa: 2, bridge: 4, passthru: 8 } },
};

/** Writes the content of IFLA_LINKINFO for a new link. */
export function pushLinkKind(info: AttrStream, { type, mode }: LinkKind): void {
  const { attribute, numbers } = codecs[type];
  pushText(info, infoAttribute.kind, type);
  info.push(infoAttribute.data, (data: AttrStream) => pushNumber(data, attribute, numbers[mode]));
}

/** Reads the name of a link's kind from IFLA_LINKINFO; undefined for physical interfaces. */
export function readLinkType(info: ReadonlyMap<number, Buffer>): string | undefined {
  return readText(info, infoAttribute.kind);
}

/** Reads the mode of a link of a known kind; undefined if the kernel has a mode that this version does not know. */
export function readLinkKind(type: LinkType, info: ReadonlyMap<number, Buffer>): LinkKind | undefined {
  const { attribute, numbers } = codecs[type];
  const number = readNumber(readAttributes(info.get(infoAttribute.data) ?? Buffer.alloc(0)), attribute);
  const mode = (Object.keys(numbers) as LinkKind['mode'][]).find((name) => numbers[name] === number);
  return mode === undefined ? undefined : { type, mode };
}
