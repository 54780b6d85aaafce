import { hostname } from 'node:os';
import { daemonLogLevels } from '../../base/daemon/log.ts';
import { daemonTable, type LogFormat, readLogFormat } from '../../base/daemon/log-format.ts';
import { type Environment, OptionReader } from '../../base/daemon/reader.ts';
import { defineOptions, formatOptionHelp } from '../../base/daemon/table.ts';
import { networkOf, type Prefix, parseAddress, parsePrefix } from '../../base/model/address.ts';
import { durationCure, optionTimeCure, parseDuration, parseOptionTime } from '../../base/read/duration.ts';
import { isName } from '../../base/read/object-meta.ts';
import { parsePort } from '../../base/read/parse-port.ts';
import { parseSuffixes, suffixesCure } from '../api/dns-name.ts';
import { parseServers, serversCure } from '../names/resolv-conf.ts';
import type { InstallerSettings } from './installer.ts';
import { installTable, readInstallOptions } from './options.ts';
import type { NameSettings } from './router-names.ts';
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
  resolver: {
    value: 'IP[:PORT],...',
    help: 'DNS servers for names of destinations; default those of /etc/resolv.conf, without its search path',
    variable: 'RESOLVER',
  },
  'allow-destinations': {
    value: 'CIDR,...',
    help: 'networks inside the cluster or the node to which names may resolve',
    variable: 'ALLOW_DESTINATIONS',
  },
  'allow-names': {
    value: 'SUFFIX,...',
    help: 'names inside the cluster that are allowed as destinations, such as "db.svc.cluster.local"',
    variable: 'ALLOW_NAMES',
  },
  'cluster-networks': {
    value: 'CIDR,...',
    help: 'networks of pods and Services, to which names must not resolve',
    variable: 'CLUSTER_NETWORKS',
  },
  'max-names': {
    value: 'COUNT',
    help: 'maximum number of names that the routers of one namespace may use on this node',
    variable: 'MAX_NAMES',
    initial: '200',
  },
  'min-ttl': {
    value: 'TIME',
    help: 'minimum TTL of an answer; shorter ones are raised',
    variable: 'MIN_TTL',
    initial: '5s',
  },
  'max-ttl': {
    value: 'TIME',
    help: 'maximum TTL of an answer; longer ones are reduced',
    variable: 'MAX_TTL',
    initial: '1h',
  },
  'stale-time': {
    value: 'TIME',
    help: 'how long to use an answer after its TTL while no DNS server answers; then the port refuses connections',
    variable: 'STALE_TIME',
    initial: '1h',
  },
  'drain-time': {
    value: 'TIME',
    help: 'time until connections to an address end after its name has lost it; 0 never ends them',
    variable: 'DRAIN_TIME',
    initial: '0',
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
  readonly names: NameSettings;
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
    names: readNameSettings(reader),
    ...(port !== undefined && port !== 0 && address !== undefined && { listen: { address, port } }),
    logLevel: level ?? 'info',
    logFormat: readLogFormat(reader),
  };
  reader.finish();
  return options;
}

function readNameSettings(reader: OptionReader<keyof typeof nodeOptionTable>): NameSettings {
  const networks = (name: 'allow-destinations' | 'cluster-networks'): readonly Prefix[] =>
    reader.read(name, parseNetworks, 'must be networks separated by commas, such as "10.128.0.0/14"') ?? [];
  const time = (name: 'min-ttl' | 'max-ttl' | 'stale-time' | 'drain-time'): number =>
    reader.read(name, parseOptionTime, optionTimeCure) ?? 0;
  const servers = reader.read('resolver', parseServers, serversCure);
  const shortest = Math.max(100, time('min-ttl'));
  return {
    policy: {
      clusterNetworks: networks('cluster-networks'),
      allowedNetworks: networks('allow-destinations'),
      allowedSuffixes: reader.read('allow-names', parseSuffixes, suffixesCure) ?? [],
    },
    times: { shortest, longest: Math.max(shortest, time('max-ttl')), stale: time('stale-time') },
    mostNames: reader.read('max-names', parseCount, 'must be a number from 1 to 100000') ?? 0,
    ...(servers !== undefined && { servers }),
    drainTime: time('drain-time'),
  };
}

function parseCount(text: string): number | undefined {
  return /^[1-9]\d{0,5}$/.test(text) && Number(text) <= 100_000 ? Number(text) : undefined;
}

function parseNetworks(text: string): readonly Prefix[] | undefined {
  const prefixes = text.split(',').map((word) => parsePrefix(word.trim()));
  return prefixes.includes(undefined) ? undefined : prefixes.filter((one) => one !== undefined).map(networkOf);
}
