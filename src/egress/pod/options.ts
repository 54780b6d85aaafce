import { type Address, type Prefix, parseAddress, parsePrefix } from '../../base/model/address.ts';
import type { PodExpectation } from './readiness.ts';

/** What the program is asked to do. */
export type PodCommand =
  | { readonly command: 'run' }
  | { readonly command: 'ready'; readonly expected: PodExpectation }
  | { readonly command: 'help' };

/** The text of `--help`. */
export const podHelp = `Usage: egress-router-pod run
       egress-router-pod ready --interface NAME --address IP/LENGTH... [--gateway IP]...

The program of a router's pod: "run" waits until the pod is to end, "ready" is its readiness probe.

  --interface NAME      the interface to the outside
  --address IP/LENGTH   a reserved address that it must have; once for each family
  --gateway IP          a gateway that must answer; once for each family
  --help                show this

"ready" prints what is wrong, a line each, and ends with 1; with 0 where all is well; with 2 where it
cannot look.
`;

/** Thrown for arguments that cannot be followed. */
export class PodArgumentsError extends Error {}

/** Reads the command line. Throws a {@link PodArgumentsError} that names what is wrong and what was expected. */
export function parsePodCommand(args: readonly string[]): PodCommand {
  const { values, positionals } = parseWords(args);
  if (values.help === true) return { command: 'help' };
  const [command, ...more] = positionals;
  if (more.length > 0) throw new PodArgumentsError(`"${more[0]}": there is one command, "run" or "ready"`);
  if (command === 'run') return { command };
  if (command !== 'ready') throw new PodArgumentsError(`"${command ?? ''}": must be "run" or "ready" (see --help)`);
  const { interface: name, address = [], gateway = [] } = values;
  if (name === undefined || !/^[^/:\s]{1,15}$/.test(name)) {
    throw new PodArgumentsError(`--interface "${name ?? ''}": must be the name of an interface`);
  }
  if (address.length === 0) throw new PodArgumentsError('--address missing: must be such as 192.168.12.99/24');
  const addresses = address.map((text): Prefix => read('--address', text, parsePrefix, 'such as 192.168.12.99/24'));
  const gateways = gateway.map((text): Address => read('--gateway', text, parseAddress, 'an IPv4 or IPv6 address'));
  return { command, expected: { interface: name, addresses, gateways } };
}

function parseWords(args: readonly string[]) {
  const options = {
    interface: { type: 'string' },
    address: { type: 'string', multiple: true },
    gateway: { type: 'string', multiple: true },
    help: { type: 'boolean' },
  } as const;
  try {
    // Not imported: the plugin is the same executable, and would load it at every start.
    const { parseArgs } = process.getBuiltinModule('node:util');
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: true });
  } catch (error) {
    throw new PodArgumentsError(error instanceof Error ? error.message : String(error));
  }
}

function read<Value>(flag: string, text: string, parse: (text: string) => Value | undefined, cure: string): Value {
  const value = parse(text);
  if (value === undefined) throw new PodArgumentsError(`${flag} "${text}": must be ${cure}`);
  return value;
}
