import * as z from 'zod/mini';
import type { Family } from '../../base/model/address.ts';
import type { MacvlanMode } from '../../base/model/network.ts';
import { presentText } from '../../base/read/choice.ts';
import { lazily } from '../../base/read/lazily.ts';
import type { ProblemList } from '../../base/read/problem-list.ts';
import type { Readable } from '../../base/read/shape.ts';
import { text } from '../../base/read/text.ts';

/** The modes of macvlan that a router may use. */
export const macvlanModes: readonly MacvlanMode[] = ['bridge', 'private', 'vepa', 'passthru'];

export const modeCure = `must be one of ${macvlanModes.join(', ')}`;

const mtuCure = 'must be a whole number of bytes, such as 1500';

/** `interfaceArgs` of the network configuration: how the macvlan is made. */
export const getInterfaceArgsSchema = lazily(() =>
  z.object(
    {
      master: z.nullish(text('must be the name of a network interface of the node')),
      mode: z.nullish(text(modeCure)),
      // The Go plugin reads strings, people write numbers.
      mtu: z.nullish(z.union([z.number(), text(mtuCure)], mtuCure)),
    },
    'must be an object with master, mode and mtu',
  ),
);

export type InterfaceArgs = Readable<z.output<ReturnType<typeof getInterfaceArgsSchema>>>;

/** The least MTU that a family works with (RFC 791, RFC 8200 §5), in bytes. */
const leastMtu: Readonly<Record<Family, number>> = { 4: 68, 6: 1280 };

/** No packet of IP is larger, in bytes. */
const largestMtu = 65535;

/** Reads the MTU in bytes; absent: the master's. */
export function readMtu(
  value: string | number | undefined,
  families: Iterable<Family>,
  path: string,
  problems: ProblemList,
): number | undefined {
  if (value === undefined || value === '') return undefined;
  const mtu = typeof value === 'number' ? value : /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
  const least = Math.max(...Array.from(families, (family) => leastMtu[family]), leastMtu[4]);
  if (!Number.isInteger(mtu)) problems.add(path, value, mtuCure);
  else if (mtu < least)
    problems.add(path, value, `must be at least ${least}${least === leastMtu[6] ? ' for IPv6' : ''}`);
  else if (mtu > largestMtu) problems.add(path, value, `must be at most ${largestMtu}`);
  else return mtu;
  return undefined;
}

/** Bytes of an interface name that Linux keeps (IFNAMSIZ less the final zero). */
const maxNameBytes = 15;

/** Reads the name of the master; absent: found by the reserved address. */
export function readMaster(text: string | undefined, path: string, problems: ProblemList): string | undefined {
  const name = presentText(text);
  if (name === undefined || isInterfaceName(name)) return name;
  problems.add(
    path,
    name,
    `must be the name of a network interface: at most ${maxNameBytes} bytes, no "/", ":" or blanks`,
  );
  return undefined;
}

/** Whether Linux takes the text as an interface's name (dev_valid_name), and people can read it. */
function isInterfaceName(name: string): boolean {
  if (name === '.' || name === '..' || Buffer.byteLength(name) > maxNameBytes) return false;
  return /^[^/:\s\p{C}]+$/u.test(name);
}
