import type { Parsed } from '../../base/model/problem.ts';
import { type AddressPool, parseAddressPool } from './pool.ts';

/** Expected format of a pool on the command line, for messages. */
export const poolOptionCure =
  'must be like "lan=192.0.2.10-192.0.2.19,2001:db8::10;interface=eth0;namespaces=shop,bank"; only the addresses are required';

/**
 * Parses a pool on the command line: its name and addresses, and optionally `interface` or `subnet`, and `namespaces`.
 * Returns undefined for another format; the values are checked like those of an IngressAddressPool.
 */
export function parsePoolOption(text: string): Parsed<AddressPool> | undefined {
  const [first = '', ...settings] = text.split(';').map((part) => part.trim());
  const split = (part: string): readonly [string, string] => {
    const at = part.indexOf('=');
    return at < 0 ? [part, ''] : [part.slice(0, at).trim(), part.slice(at + 1).trim()];
  };
  const list = (words: string): readonly string[] => words.split(',').map((word) => word.trim());
  const [name, addresses] = split(first);
  if (name === '' || addresses === '') return undefined;
  const spec: Record<string, unknown> = { addresses: list(addresses) };
  for (const [key, value] of settings.map(split)) {
    if (value === '' || Object.hasOwn(spec, key)) return undefined;
    if (key === 'namespaces') spec.namespaces = { names: list(value) };
    else if (key === 'interface' || key === 'subnet') spec[key] = value;
    else return undefined;
  }
  return parseAddressPool({ metadata: { name }, spec });
}
