import * as z from 'zod/mini';
import type { Family } from '../../base/model/address.ts';
import { linkModes } from '../../base/model/link-kind.ts';
import { presentText } from '../../base/read/choice.ts';
import { lazily } from '../../base/read/lazily.ts';
import type { ProblemList } from '../../base/read/problem-list.ts';
import type { Readable } from '../../base/read/shape.ts';
import { text } from '../../base/read/text.ts';

export const modeCure = `must be one of ${linkModes.macvlan.join(', ')}`;

const mtuCure = 'must be a whole number of bytes, such as 1500';

/** Schema of `interfaceArgs` of the network configuration, the settings of the macvlan. */
export const getInterfaceArgsSchema = lazily(() =>
  z.object(
    {
      master: z.nullish(text('must be the name of a network interface of the node')),
      mode: z.nullish(text(modeCure)),
      // OpenShift's plugin reads strings, but users write numbers.
      mtu: z.nullish(z.union([z.number(), text(mtuCure)], mtuCure)),
    },
    'must be an object with master, mode and mtu',
  ),
);

export type InterfaceArgs = Readable<z.output<ReturnType<typeof getInterfaceArgsSchema>>>;

/** Minimum MTU of each family in bytes (RFC 791, RFC 8200 §5). */
const leastMtu: Readonly<Record<Family, number>> = { 4: 68, 6: 1280 };

/** Maximum size of an IP packet in bytes. */
const largestMtu = 65535;

/** Reads the MTU in bytes; undefined: use the MTU of the master. */
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

/** Maximum length of an interface name in bytes (IFNAMSIZ without the terminating zero). */
const maxNameBytes = 15;

/** Reads the name of the master; undefined: find the master by the reserved address. */
export function readMaster(text: string | undefined, path: string, problems: ProblemList): string | undefined {
  const name = presentText(text);
  if (name === undefined || isInterfaceName(name)) return name;
  problems.add(
    path,
    name,
    `must be the name of a network interface: at most ${maxNameBytes} bytes, without "/", ":" or white space`,
  );
  return undefined;
}

/** Returns whether Linux accepts the interface name (dev_valid_name) and it is printable. */
function isInterfaceName(name: string): boolean {
  if (name === '.' || name === '..' || Buffer.byteLength(name) > maxNameBytes) return false;
  return /^[^/:\s\p{C}]+$/u.test(name);
}
