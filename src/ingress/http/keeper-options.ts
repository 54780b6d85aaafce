import { daemonLogLevels } from '../../base/daemon/log.ts';
import { type Environment, OptionReader } from '../../base/daemon/reader.ts';
import { defineOptions, formatOptionHelp } from '../../base/daemon/table.ts';
import { durationCure, parseDuration } from '../../base/read/duration.ts';
import { isLabelName } from '../../base/read/object-meta.ts';
import { parsePodUid } from '../handover/pod-folder.ts';
import type { KeeperOptions } from '../haproxy/keeper.ts';
import { httpOptionTable as http } from './option-table.ts';
import { defaultDirectory } from './options.ts';

/** Options of `ingress-haproxy`: those options of the agent that concern HAProxy's processes. */
const keeperOptionTable = defineOptions({
  name: { value: 'NAME', help: '--name of the agent', initial: 'ingress' },
  'haproxy-directory': http['haproxy-directory'],
  'pod-uid': {
    value: 'UID',
    help: 'UID of this pod: use a folder in --haproxy-directory, and take over the sockets of other pods there',
    variable: 'POD_UID',
  },
  'haproxy-binary': http['haproxy-binary'],
  'shutdown-delay': { ...http['shutdown-delay'], help: 'how long to keep accepting connections after SIGTERM' },
  'shutdown-timeout': http['shutdown-timeout'],
  'log-level': { value: 'LEVEL', help: 'level of the log: debug, info, warn or error', initial: 'info' },
  help: { help: 'print this help' },
});

/** Reads the options. Returns undefined for --help. Throws an {@link OptionsError}. */
export function parseKeeperOptions(
  args: readonly string[],
  environment: Environment,
): (Omit<KeeperOptions, 'onProblem' | 'peers'> & { readonly podUid?: string; readonly logLevel: string }) | undefined {
  const reader = new OptionReader(keeperOptionTable, args, environment);
  if (reader.isSet('help')) return undefined;
  const time = (name: 'shutdown-delay' | 'shutdown-timeout') =>
    reader.read(name, (text) => (text === '0' ? 0 : parseDuration(text)), durationCure) ?? 0;
  const name = reader.read('name', (text) => (isLabelName(text) ? text : undefined), 'must be a name') ?? '';
  const podUid = reader.read('pod-uid', parsePodUid, 'must be the UID of a pod');
  const options = {
    directory: reader.read('haproxy-directory', (text) => text) ?? defaultDirectory(name),
    ...(podUid !== undefined && { podUid }),
    binary: reader.read('haproxy-binary', (text) => text) ?? '/usr/sbin/haproxy',
    shutdownDelay: time('shutdown-delay'),
    shutdownTimeout: time('shutdown-timeout'),
    logLevel:
      reader.read('log-level', (text) => daemonLogLevels.find((level) => level === text), 'must be a level') ?? 'info',
  };
  reader.finish();
  return options;
}

export function formatKeeperHelp(): string {
  return formatOptionHelp(
    [
      'Usage: ingress-haproxy [OPTION]...',
      'Keeps HAProxy running in its own container for an ingress agent with --haproxy-container.',
    ],
    keeperOptionTable,
  );
}

export function formatStartedHelp(): string {
  return [
    'Usage: ingress-started [--name NAME] [--haproxy-directory DIR] [--pod-uid UID]',
    'Exits with 0 when the ingress agent of this pod has taken over its node, for the startup probe of its container.',
    'The options and the variable POD_UID are those of ingress-agent.',
    '',
  ].join('\n');
}
