import { type Address, type Prefix, parseAddress, parsePrefix } from '../../base/model/address.ts';
import type { PodExpectation } from './readiness.ts';

/** Parsed command line. */
export type PodCommand =
  | { readonly command: 'run' }
  | { readonly command: 'ready'; readonly expected: PodExpectation }
  | { readonly command: 'help' };

/** The text of `--help`. */
export const podHelp = `Usage: egress-router-pod run
       egress-router-pod ready --interface NAME --address IP/LENGTH... [--gateway IP]...

Runs in an egress router's pod: "run" waits for termination, "ready" is the readiness probe.

  --interface NAME      interface on the external network
  --address IP/LENGTH   reserved address of the interface; once per family
  --gateway IP          gateway that must answer; once per family
  --version             print the version
  --help                print this help

"ready" exits with 0 if the router is ready, with 1 after printing one problem per line, and with 2 if it
cannot read the network namespace.
`;

/** Thrown for invalid arguments. */
export class PodArgumentsError extends Error {}

/** Parses the command line. Throws a {@link PodArgumentsError} that names the argument and the expected value. */
export function parsePodCommand(args: readonly string[]): PodCommand {
  const { values, positionals } = parseWords(args);
  if (values.help === true) return { command: 'help' };
  const [command, ...more] = positionals;
  if (more.length > 0)
    throw new PodArgumentsError(`"${more[0]}": unexpected argument; give one command, "run" or "ready"`);
  if (command === 'run') return { command };
  if (command !== 'ready') throw new PodArgumentsError(`"${command ?? ''}": must be "run" or "ready" (see --help)`);
  const { interface: name, address = [], gateway = [] } = values;
  if (name === undefined || !/^[^/:\s]{1,15}$/.test(name)) {
    throw new PodArgumentsError(`--interface "${name ?? ''}": must be the name of a network interface`);
  }
  if (address.length === 0)
    throw new PodArgumentsError('--address missing: must be an address with prefix length, such as 192.168.12.99/24');
  const addresses = address.map(
    (text): Prefix => read('--address', text, parsePrefix, 'an address with prefix length, such as 192.168.12.99/24'),
  );
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
