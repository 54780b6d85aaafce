/**
 * Kinds of links that a router can have on a master of the node, each with its modes. To add a kind, add it
 * here and in `linux/netlink/link-kinds.ts`; everything else handles `LinkKind` as a value.
 */
export const linkModes = {
  /** `ip link add … type macvlan mode …`. */
  macvlan: ['bridge', 'private', 'vepa', 'passthru'],
} as const;

/** Name of a kind, as in `ip link add … type …`. */
export type LinkType = keyof typeof linkModes;

type Kinds = { readonly [Type in LinkType]: { readonly type: Type; readonly mode: (typeof linkModes)[Type][number] } };

/** The kind of a router's link and its mode. */
export type LinkKind = Kinds[LinkType];

/** Modes of macvlan links. */
export type MacvlanMode = Kinds['macvlan']['mode'];

/** Returns whether the kernel's name of a kind is one that a router's link can have. */
export function isLinkType(kind: string | undefined): kind is LinkType {
  return kind !== undefined && Object.hasOwn(linkModes, kind);
}

/** Returns the kind as `ip link` spells it, for example `macvlan mode bridge`. */
export function formatLinkKind({ type, mode }: LinkKind): string {
  return `${type} mode ${mode}`;
}
