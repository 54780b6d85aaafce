import { hostname } from 'node:os';
import { daemonLogLevels } from '../../base/daemon/log.ts';
import { daemonTable, type LogFormat, readLogFormat } from '../../base/daemon/log-format.ts';
import { type Environment, OptionReader } from '../../base/daemon/reader.ts';
import { defineOptions, formatOptionHelp } from '../../base/daemon/table.ts';
import { parseAddress } from '../../base/model/address.ts';
import { durationCure, parseDuration } from '../../base/read/duration.ts';
import { isName } from '../../base/read/object-meta.ts';
import { parsePort } from '../../base/read/parse-port.ts';
import type { InstallerSettings } from './installer.ts';
import { installTable, readInstallOptions } from './options.ts';
import type { WatchTimes } from './watched.ts';

/** Every option, in the order of `--help`. */
export const nodeOptionTable = defineOptions({
  ...installTable,
  'node-name': { value: 'NODE', help: 'name of this node; default the host name', variable: 'NODE_NAME' },
  kubeconfig: {
    value: 'FILE',
    help: "kubeconfig file; default the pod's service account",
    variable: 'KUBECONFIG',
  },
  'check-interval': {
    value: 'TIME',
    help: 'how often to compare a router with its recorded state',
    variable: 'CHECK_INTERVAL',
    initial: '60s',
  },
  'count-interval': {
    value: 'TIME',
    help: "how often to count a router's connections",
    variable: 'COUNT_INTERVAL',
    initial: '30s',
  },
  'announce-interval': {
    value: 'TIME',
    help: "how often to announce a router's addresses",
    variable: 'ANNOUNCE_INTERVAL',
    initial: '30s',
  },
  'conflict-interval': {
    value: 'TIME',
    help: 'how often to probe gateways and other owners of an address',
    variable: 'CONFLICT_INTERVAL',
    initial: '10s',
  },
  'listen-address': {
    value: 'IP',
    help: 'address of /metrics, /healthz and /readyz; /metrics requires a token unless this is a loopback address',
    variable: 'LISTEN_ADDRESS',
    initial: '127.0.0.1',
  },
  'listen-port': {
    value: 'PORT',
    help: 'TCP port of /metrics, /healthz and /readyz; 0 disables them',
    variable: 'LISTEN_PORT',
    initial: '9463',
  },
  'log-level': {
    value: 'LEVEL',
    help: 'level of the log: debug, info, warn or error',
    variable: 'LOG_LEVEL',
    initial: 'info',
  },
  ...daemonTable,
  help: { help: 'print this help' },
});

/** Settings from the command line and the environment. */
export interface NodeOptions {
  readonly installer: InstallerSettings;
  readonly node: string;
  /** Path of a kubeconfig. Absent: the pod's service account. */
  readonly kubeconfig?: string;
  readonly times: WatchTimes;
  readonly listen?: { readonly address: string; readonly port: number };
  readonly logLevel: string;
  readonly logFormat: LogFormat;
}

/** The text of `--help`. */
export function formatNodeHelp(): string {
  const head = [
    'Usage: egress-router-node [OPTION]...',
    '',
    'Installs the CNI plugin on a node, applies changed redirects to its running routers, and measures them.',
  ];
  return formatOptionHelp(head, nodeOptionTable);
}

/**
 * Reads flags and, for those not given, environment variables. Returns undefined for --help. Throws an OptionsError.
 */
export function parseNodeOptions(args: readonly string[], environment: Environment): NodeOptions | undefined {
  const reader = new OptionReader(nodeOptionTable, args, environment);
  if (reader.isSet('help')) return undefined;
  const interval = (name: 'check-interval' | 'count-interval' | 'announce-interval' | 'conflict-interval'): number =>
    reader.read(name, parseDuration, durationCure) ?? 0;
  const kubeconfig = reader.read('kubeconfig', (text) => text);
  const port = reader.read(
    'listen-port',
    (text) => (text === '0' ? 0 : parsePort(text)),
    'must be a port, or 0 to disable it',
  );
  const address = reader.read('listen-address', (text) => parseAddress(text)?.text, 'must be an address of this host');
  const level = reader.read(
    'log-level',
    (text) => daemonLogLevels.find((one) => one === text),
    `must be one of ${daemonLogLevels.join(', ')}`,
  );
  const options: NodeOptions = {
    installer: readInstallOptions(reader),
    node:
      reader.read('node-name', (text) => (isName(text) ? text : undefined), 'must be the name of a node') ?? hostname(),
    ...(kubeconfig !== undefined && { kubeconfig }),
    times: {
      ask: interval('conflict-interval'),
      count: interval('count-interval'),
      announce: interval('announce-interval'),
      check: interval('check-interval'),
    },
    ...(port !== undefined && port !== 0 && address !== undefined && { listen: { address, port } }),
    logLevel: level ?? 'info',
    logFormat: readLogFormat(reader),
  };
  reader.finish();
  return options;
}
