import { showValue } from '../../base/read/show-value.ts';

/** RFC 1123 §2.1 and RFC 1035 §2.3.4, in characters. */
const longest = { name: 253, label: 63 } as const;

/** Expected form of a name, for messages. */
export const dnsNameCure =
  'must be a fully qualified DNS name such as "api.partner.example": letters, digits and hyphens, at least two labels';

/** Suffixes of names inside a cluster or a host. Only an administrator may allow them as destinations. */
const insideSuffixes = ['cluster.local', 'svc'] as const;

/** Allows every name, for programs that leave the decision to the node daemon. */
export const everySuffix: readonly string[] = [''];

/**
 * Parses a DNS name for a destination: letters, digits and hyphens (RFC 1123 §2.1), at least two labels, because no
 * search path is used. The last label begins with a letter, so that a mistyped address is not a name. Returns the
 * name in lower case and without a trailing dot, or undefined for any other text.
 */
export function parseDnsName(text: string): string | undefined {
  const name = (text.endsWith('.') ? text.slice(0, -1) : text).toLowerCase();
  if (name.length > longest.name) return undefined;
  const labels = name.split('.');
  const isName =
    labels.length > 1 &&
    labels.every((label) => label.length <= longest.label && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(label)) &&
    /^[a-z]/.test(labels.at(-1) ?? '');
  return isName ? name : undefined;
}

/** Returns whether a name is a suffix or ends with it, label by label. */
export function hasSuffix(name: string, suffix: string): boolean {
  return suffix === '' || name === suffix || name.endsWith(`.${suffix}`);
}

/**
 * Returns why a name must not be a destination, or undefined: names of the host itself, and names inside the cluster
 * unless one of the allowed suffixes contains them.
 */
export function refuseName(name: string, allowedSuffixes: readonly string[]): string | undefined {
  if (hasSuffix(name, 'localhost') || hasSuffix(name, 'localdomain')) {
    return `must not name the router's own host, as ${showValue(name, 64)} does`;
  }
  const inside = insideSuffixes.find((suffix) => hasSuffix(name, suffix));
  if (inside === undefined || allowedSuffixes.some((suffix) => hasSuffix(name, suffix))) return undefined;
  return `must be a name outside the cluster, not below "${inside}", unless the administrator lists it in --allow-names`;
}

/** Expected form of an option with suffixes, for messages. */
export const suffixesCure = 'must be DNS suffixes separated by commas, such as "db.svc.cluster.local"';

/** Parses suffixes separated by commas; undefined for any other text. */
export function parseSuffixes(text: string): readonly string[] | undefined {
  const suffixes = text.split(',').map((word) => word.trim().toLowerCase());
  const isSuffix = (word: string): boolean => /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(word) && word.length <= 253;
  return suffixes.every(isSuffix) ? suffixes : undefined;
}
