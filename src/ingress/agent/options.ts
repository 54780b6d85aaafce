import { hostname } from 'node:os';
import { type LogFormat, readLogFormat } from '../../base/daemon/log-format.ts';
import { type Environment, OptionReader } from '../../base/daemon/reader.ts';
import { clusterNames } from '../../base/kubernetes/names.ts';
import { type Address, hostPrefix, type Prefix, parseAddress, parsePrefix } from '../../base/model/address.ts';
import { maxDuration, minCheckInterval, optionTimeCure, parseOptionTime } from '../../base/read/duration.ts';
import { isHostName, isLabelName, isName } from '../../base/read/object-meta.ts';
import { boolCure, parseBool } from '../../base/read/parse-bool.ts';
import { defaultClosedPorts, type HostGuardSettings } from '../backends/host-guard.ts';
import { fieldSelectorCure, parseFieldSelector } from '../claims/field-selector.ts';
import { labelSelectorCure, parseLabelSelector } from '../claims/label-selector.ts';
import { namespaceQuotaCure, parseNamespaceQuota } from '../claims/policy.ts';
import { includesPort, type PortRange, parsePortRanges, portRangesCure } from '../claims/port-ranges.ts';
import { parsePodUid, podPath } from '../handover/pod-folder.ts';
import type { GatewayPlanSettings } from '../http/gateway-slots.ts';
import { defaultDirectory, type HttpOptions, readHttpOptions } from '../http/options.ts';
import type { SiteBalance } from '../intent/group.ts';
import type { Balance } from '../ports/model.ts';
import type { PortSettings } from '../ports/port-plane.ts';
import { defaultRouterNameKey } from '../route/route.ts';
import type { RouterIdentity } from '../status/status.ts';
import { type AddressOptions, readAddressOptions } from './address-options.ts';
import type { PodOptions } from './node-share.ts';
import { type OptionName, optionTable } from './option-table.ts';
import { readStatsOptions, type StatsOptions } from './stats-options.ts';

/** Settings from the command line and the environment. */
export interface AgentOptions {
  readonly ports: PortSettings;
  readonly guard: HostGuardSettings;
  readonly addresses: AddressOptions;
  /** Absent: hosts and paths are not served. */
  readonly http?: HttpOptions;
  /** Whether statuses are written. */
  readonly updatesStatus: boolean;
  readonly identity: RouterIdentity;
  /** Directory of manifests; absent: Kubernetes. */
  readonly manifests?: string;
  readonly statusFile?: string;
  /** Path of a kubeconfig. Absent: the pod's service account. */
  readonly kubeconfig?: string;
  /** Namespace of the Lease of the agent that writes statuses. */
  readonly leaseNamespace: string;
  /** Name of the DaemonSet that runs the agent; absent: none is known. */
  readonly daemonSet?: string;
  /** The pod of this agent. Absent: no other agent of the same name runs on the node. */
  readonly pod?: PodOptions;
  readonly routerNameKey: string;
  /** Whether requests for ports and Gateways are ignored. */
  readonly hostsOnly: boolean;
  readonly stats?: StatsOptions;
  /** Milliseconds that an established connection to a removed endpoint may continue. */
  readonly drainTime: number;
  /** Whether clients that are removed from an allow-list lose their connections. */
  readonly strictAllowLists: boolean;
  readonly cleanupOnExit: boolean;
  readonly dryRun: boolean;
  readonly logLevel: string;
  readonly logFormat: LogFormat;
  /** Ignored variables, one line each. */
  readonly warnings: readonly string[];
}

/**
 * Reads flags and, for those not given, the environment variables of OpenShift's router. Returns undefined for
 * --help. Throws an {@link OptionsError} that names every invalid option, its value and what was expected.
 */
export function parseOptions(args: readonly string[], environment: Environment): AgentOptions | undefined {
  const reader = new OptionReader(optionTable, args, environment);
  if (reader.isSet('help')) return undefined;
  const options = readOptions(reader);
  reader.finish();
  return { ...options, warnings: reader.warnings };
}

/** Returns the milliseconds that the agent may take to stop: it asks the API server, and HAProxy keeps serving for a while. */
export function stopTimeoutOf({ http }: AgentOptions): number {
  const { shutdownDelay = 0, shutdownTimeout = 0 } = http?.settings ?? {};
  return Math.min(maxDuration, 8000 + shutdownDelay + shutdownTimeout);
}

type Reader = OptionReader<OptionName>;

function readOptions(reader: Reader): Omit<AgentOptions, 'warnings'> {
  const routerName = reader.read('router-name', (text) => text);
  const statusName = reader.read('status-router-name', (text) => text) ?? routerName ?? 'public';
  const canonicalHostname = reader.read('canonical-hostname', parseHost, 'must be a host name');
  const manifests = reader.read('manifests', (text) => text);
  const statusFile = reader.read('status-file', (text) => text);
  const kubeconfig = reader.read('kubeconfig', (text) => text);
  const stats = readStatsOptions(reader);
  const daemonSet = reader.read(
    'daemon-set',
    (text) => (isName(text) ? text : undefined),
    'must be the name of a DaemonSet',
  );
  const written = readPortSettings(reader, routerName);
  const addresses = readAddressOptions(reader, written.policy.gatewayClass);
  const ports = reservePort(written, addresses.heartbeatPort);
  const drainTime = readTimeOrNone(reader, 'drain-time');
  const balances = readHttpBalances(reader);
  const { policy, node, name, checkInterval } = ports;
  const http = readHttpOptions(reader, { policy, node, name, checkInterval, drainTime, ...balances });
  const { gateways } = http?.settings ?? {};
  const hostsOnly = reader.isSet('hosts-only');
  // Reserved ports would be open to the kernel's translation of another agent on this node.
  if (hostsOnly)
    reader.read('listener-ports', () => undefined, 'listeners are not served with --hosts-only; remove it');
  const dryRun = reader.isSet('dry-run');
  const uid = reader.read('pod-uid', parsePodUid, 'must be the UID of a pod');
  const shared = reader.read('haproxy-directory', (text) => text) ?? defaultDirectory(name);
  const pod = uid === undefined || dryRun ? undefined : { shared, uid };
  return {
    ports: gateways === undefined ? ports : reservePorts(ports, gateways.ports),
    addresses,
    guard: {
      openNetworks: reader.read('node-endpoint-networks', parseNetworks, networksCure) ?? [],
      closedPorts: reader.read('closed-node-ports', parseClosedPorts, closedPortsCure) ?? defaultClosedPorts,
    },
    ...(pod !== undefined && { pod }),
    ...(http !== undefined && {
      http: pod === undefined ? http : { ...http, settings: { ...http.settings, directory: podPath(shared, pod.uid) } },
    }),
    updatesStatus: reader.read('update-status', parseBool, boolCure) ?? true,
    identity: {
      routerName: statusName,
      controllerName: clusterNames.gatewayController,
      ...(canonicalHostname !== undefined && { canonicalHostname }),
    },
    ...(manifests !== undefined && { manifests }),
    ...(statusFile !== undefined && { statusFile }),
    ...(kubeconfig !== undefined && { kubeconfig }),
    leaseNamespace:
      reader.read('lease-namespace', (text) => (isLabelName(text) ? text : undefined), 'must be a namespace') ??
      'default',
    ...(daemonSet !== undefined && { daemonSet }),
    routerNameKey: reader.read('router-name-annotation', (text) => text) ?? defaultRouterNameKey,
    hostsOnly,
    ...(stats !== undefined && { stats }),
    drainTime,
    strictAllowLists: reader.isSet('strict-allow-lists'),
    cleanupOnExit: reader.isSet('cleanup-on-exit'),
    dryRun,
    logFormat: readLogFormat(reader),
    logLevel: reader.read('log-level', parseLogLevel, 'must be one of debug, info, warn, error') ?? 'info',
  };
}

/** Reserves HAProxy's ports for listeners. */
function reservePorts(settings: PortSettings, { http, tls }: GatewayPlanSettings['ports']): PortSettings {
  const { policy } = settings;
  return {
    ...settings,
    policy: { ...policy, reservedPorts: [...policy.reservedPorts, { from: http.from, to: tls.to }] },
  };
}

function readPortSettings(reader: Reader, routerName: string | undefined): PortSettings {
  const ranges = (name: OptionName) => reader.read(name, parsePortRanges, portRangesCure) ?? [];
  const selector = (name: OptionName) => reader.read(name, parseLabelSelector, labelSelectorCure) ?? [];
  const domains = (name: OptionName) =>
    reader.read(name, parseDomains, 'must be domains separated by commas, for example "a.com,b.org"') ?? [];
  const gatewayClass = reader.read('gateway-class', (text) => text);
  const ingressClass = reader.read('ingress-class', (text) => text);
  // Zero selects the default, as in OpenShift's router.
  const idleTimeout = reader.read('tunnel-timeout', parseOptionTime, optionTimeCure) || undefined;
  const addresses = reader.read('addresses', parseAddresses, 'must be addresses separated by commas');
  const namespaceQuota = reader.read('namespace-quota', parseNamespaceQuota, namespaceQuotaCure);
  const gatewayAddresses = reader.read('gateway-addresses', parseAddresses, 'must be addresses separated by commas');
  return {
    name: reader.read('name', parseName, 'must be at most 20 lower-case letters, digits and "-"') ?? 'ingress',
    node: reader.read('node-name', (text) => text) ?? hostname(),
    policy: {
      ...(routerName !== undefined && { routerName }),
      ...(gatewayClass !== undefined && { gatewayClass }),
      ...(ingressClass !== undefined && { ingressClass }),
      routeLabels: selector('route-labels'),
      namespaceLabels: [
        ...selector('namespace-labels'),
        // OpenShift's name for all projects.
        ...(reader.read(
          'project-labels',
          (text) => (text === '*' ? [] : parseLabelSelector(text)),
          labelSelectorCure,
        ) ?? []),
      ],
      routeFields: reader.read('route-fields', parseFieldSelector, fieldSelectorCure) ?? [],
      allowedDomains: domains('allowed-domains'),
      deniedDomains: domains('denied-domains'),
      allowedPorts: ranges('allowed-ports'),
      reservedPorts: ranges('reserved-ports'),
      nodeServicePorts: ranges('node-service-ports'),
      nodePorts: ranges('node-ports'),
      namespacePorts:
        reader.read('namespace-ports', parseNamespacePorts, 'must be like "team-a=20000-20999,443;team-b=21000"') ??
        new Map(),
      ...(namespaceQuota !== undefined && { namespaceQuota }),
    },
    defaults: { balance: readBalance(reader), ...(idleTimeout !== undefined && { idleTimeout }) },
    checkInterval: reader.read('check-interval', parseOptionCheckInterval, optionCheckCure) ?? 0,
    syncInterval: readTimeOrNone(reader, 'sync-interval'),
    ...(addresses !== undefined && { addresses }),
    ...(gatewayAddresses !== undefined && { gatewayAddresses }),
  };
}

/** No Route may get the heartbeats of the nodes. */
function reservePort(settings: PortSettings, port: number): PortSettings {
  const { policy } = settings;
  const nodeServicePorts = [...policy.nodeServicePorts, { from: port, to: port }];
  const isReserved = includesPort(policy.nodeServicePorts, port);
  return isReserved ? settings : { ...settings, policy: { ...policy, nodeServicePorts } };
}

function readTimeOrNone(reader: Reader, name: OptionName): number {
  return reader.read(name, parseOptionTime, optionTimeCure) ?? 0;
}

const optionCheckCure = `${optionTimeCure}, 0 or at least ${minCheckInterval}ms`;

function parseOptionCheckInterval(text: string): number | undefined {
  const interval = parseOptionTime(text);
  return interval === undefined || (interval > 0 && interval < minCheckInterval) ? undefined : interval;
}

function readBalance(reader: Reader): Balance {
  const cure = 'must be source, roundrobin or random';
  const tcp = reader.read('tcp-balance', parseBalance, cure);
  // OpenShift's default for HTTP. If only that is set, TCP keeps its own default.
  const any = reader.read('balance', (text) => (text === 'leastconn' ? 'source' : parseBalance(text)), cure);
  return tcp ?? any ?? 'source';
}

/** OpenShift's defaults: random for HTTP, source for passthrough. */
function readHttpBalances(reader: Reader): { readonly balance: SiteBalance; readonly tcpBalance: SiteBalance } {
  const cure = 'must be source, roundrobin, random or leastconn';
  const parse = (text: string) => (text === 'leastconn' ? text : parseBalance(text));
  return {
    balance: reader.read('balance', parse, cure) ?? 'random',
    tcpBalance: reader.read('tcp-balance', parse, cure) ?? 'source',
  };
}

function parseHost(text: string): string | undefined {
  return isHostName(text) ? text.toLowerCase() : undefined;
}

function parseDomains(text: string): readonly string[] | undefined {
  const domains = text.split(',').map((word) => word.trim().toLowerCase());
  return domains.every(isHostName) ? domains : undefined;
}

function parseAddresses(text: string): readonly Address[] | undefined {
  const addresses = text.split(',').map((word) => parseAddress(word.trim()));
  return addresses.every((address) => address !== undefined) ? addresses : undefined;
}

const networksCure = 'must be addresses and networks separated by commas, for example "192.168.1.5,10.0.0.0/24"';

function parseNetworks(text: string): readonly Prefix[] | undefined {
  const networks = text.split(',').map((word) => {
    const address = parseAddress(word.trim());
    return address === undefined ? parsePrefix(word.trim()) : hostPrefix(address);
  });
  return networks.every((network) => network !== undefined) ? networks : undefined;
}

const closedPortsCure = `${portRangesCure}, or "none"`;

function parseClosedPorts(text: string): readonly PortRange[] | undefined {
  return text === 'none' ? [] : parsePortRanges(text);
}

function parseNamespacePorts(text: string): ReadonlyMap<string, readonly PortRange[]> | undefined {
  const ports = new Map<string, readonly PortRange[]>();
  for (const part of text.split(';').map((word) => word.trim())) {
    const [namespace = '', list = '', ...rest] = part.split('=');
    const ranges = parsePortRanges(list);
    const isWrong = rest.length > 0 || !isLabelName(namespace) || ports.has(namespace);
    if (isWrong || ranges === undefined || ranges.length === 0) return undefined;
    ports.set(namespace, ranges);
  }
  return ports;
}

function parseBalance(text: string): Balance | undefined {
  return text === 'source' || text === 'roundrobin' || text === 'random' ? text : undefined;
}

function parseName(text: string): string | undefined {
  return isLabelName(text) && text.length <= 20 ? text : undefined;
}

function parseLogLevel(text: string): string | undefined {
  return ['debug', 'info', 'warn', 'error'].includes(text) ? text : undefined;
}
