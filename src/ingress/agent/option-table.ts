import { daemonTable } from '../../base/daemon/log-format.ts';
import { formatOptionHelp, type OptionTable } from '../../base/daemon/table.ts';
import { defaultClosedPorts } from '../backends/host-guard.ts';
import { defaultPolicy } from '../claims/policy.ts';
import { formatPortRanges } from '../claims/port-ranges.ts';
import { type HttpOptionName, httpOptionTable } from '../http/option-table.ts';
import { defaultRouterNameKey } from '../route/route.ts';
import type { StatsOptionName } from './stats-options.ts';

/** Every option, in the order of `--help`. */
export const optionTable: OptionTable<OptionName> = {
  manifests: {
    heading: 'Source of objects',
    value: 'DIR',
    help: 'take objects from YAML and JSON files; without it, from Kubernetes',
  },
  'status-file': { value: 'FILE', help: 'write statuses to FILE (with --manifests; default DIR.status.json)' },
  kubeconfig: {
    value: 'FILE',
    help: 'reach Kubernetes as FILE says; without it, as a pod does',
    variable: 'KUBECONFIG',
  },
  'lease-namespace': {
    value: 'NAMESPACE',
    help: 'namespace of the Lease that elects the agent which writes statuses',
    variable: 'POD_NAMESPACE',
    initial: 'default',
  },
  name: {
    heading: 'Node and router',
    value: 'NAME',
    help: "part of the names of the agent's rules",
    initial: 'ingress',
  },
  'node-name': { value: 'NODE', help: 'name of this node; default the host name', variable: 'NODE_NAME' },
  addresses: { value: 'IP,...', help: "addresses that are served; default all of the node's" },
  'router-name': { value: 'NAME', help: 'only Routes whose annotation names this router; default all' },
  'router-name-annotation': {
    value: 'KEY',
    help: 'the annotation that names the router',
    initial: defaultRouterNameKey,
  },
  'status-router-name': {
    value: 'NAME',
    help: "name in Routes' statuses; default --router-name, else public",
    variable: 'ROUTER_SERVICE_NAME',
  },
  'canonical-hostname': {
    value: 'HOST',
    help: "host name in Routes' statuses",
    variable: 'ROUTER_CANONICAL_HOSTNAME',
  },
  'gateway-class': { value: 'NAME', help: 'serve only Gateways of this class; default all of this controller' },
  'gateway-addresses': {
    value: 'IP,...',
    help: "addresses in Gateways' statuses; default --addresses, else the node's",
  },
  'route-labels': {
    heading: 'Selection of Routes',
    value: 'SELECTOR',
    help: 'only Routes with these labels',
    variable: 'ROUTE_LABELS',
  },
  'namespace-labels': {
    value: 'SELECTOR',
    help: 'only Routes of namespaces with these labels',
    variable: 'NAMESPACE_LABELS',
  },
  'project-labels': {
    value: 'SELECTOR',
    help: 'the same; both must match when both are set',
    variable: 'PROJECT_LABELS',
  },
  'route-fields': {
    value: 'SELECTOR',
    help: 'only Routes whose fields match, such as spec.path=/api',
    variable: 'ROUTE_FIELDS',
  },
  'allowed-domains': {
    value: 'DOMAIN,...',
    help: 'only hosts in these domains',
    variable: 'ROUTER_ALLOWED_DOMAINS',
  },
  'denied-domains': {
    value: 'DOMAIN,...',
    help: 'no hosts in these domains, whatever is allowed',
    variable: 'ROUTER_DENIED_DOMAINS',
  },
  'allowed-ports': {
    heading: 'Ports',
    value: 'PORTS',
    help: 'ports that Routes may have',
    initial: formatPortRanges(defaultPolicy.allowedPorts),
  },
  'reserved-ports': { value: 'PORTS', help: 'ports that no Route gets' },
  'node-service-ports': {
    value: 'PORTS',
    help: 'ports of programs that nodes run themselves, which no Route gets',
    initial: formatPortRanges(defaultPolicy.nodeServicePorts).replaceAll(' ', ''),
  },
  'node-ports': {
    value: 'PORTS',
    help: "the cluster's range of NodePorts, which no Route gets",
    initial: formatPortRanges(defaultPolicy.nodePorts),
  },
  'node-endpoint-networks': {
    value: 'NETWORK,...',
    help: 'addresses of nodes that every endpoint may have; without it only running pods with hostNetwork',
  },
  'closed-node-ports': {
    value: 'PORTS',
    help: "ports on nodes' addresses that no endpoint may have, pods with hostNetwork included; none: no port",
    initial: formatPortRanges(defaultClosedPorts).replaceAll(' ', ''),
  },
  'namespace-ports': {
    value: 'NS=PORTS;...',
    help: 'ports that belong to one namespace alone, beside the allowed ones',
  },
  'namespace-quota': {
    value: 'ports=N,endpoints=N',
    help: 'what one namespace may have; default as much as it asks for',
  },
  'tcp-balance': {
    heading: 'Balancing and health',
    value: 'HOW',
    help: 'source, roundrobin or random, for Routes that say nothing',
    variable: 'ROUTER_TCP_BALANCE_SCHEME',
    fallsBack: true,
  },
  balance: {
    value: 'HOW',
    help: 'the same for HTTP (also leastconn; default random), and for ports when --tcp-balance is not set (leastconn means source)',
    variable: 'ROUTER_LOAD_BALANCE_ALGORITHM',
    fallsBack: true,
  },
  'tunnel-timeout': {
    value: 'TIME',
    help: "delete connections that are silent for this long; default the kernel's",
    variable: 'ROUTER_DEFAULT_TUNNEL_TIMEOUT',
    fallsBack: true,
  },
  'check-interval': {
    value: 'TIME',
    help: 'time between two checks of an endpoint; 0: no checks',
    variable: 'ROUTER_BACKEND_CHECK_INTERVAL',
    initial: '5000ms',
    fallsBack: true,
  },
  'drain-time': {
    value: 'TIME',
    help: 'delete established connections this long after their endpoint is gone; 0: at once',
    initial: '10s',
  },
  'strict-allow-lists': { help: 'end connections of clients that an allow-list no longer names' },
  'sync-interval': {
    value: 'TIME',
    help: 'least time between two changes of ports; 0: none',
    initial: '0',
  },
  ...httpOptionTable,
  'update-status': {
    heading: 'Status',
    value: 'BOOL',
    help: 'write statuses',
    variable: 'ROUTER_UPDATE_STATUS',
    initial: 'true',
    fallsBack: true,
  },
  'stats-address': {
    heading: 'Statistics',
    value: 'IP',
    help: 'address of /metrics, /healthz and /readyz; default all with a password, otherwise 127.0.0.1',
  },
  'stats-port': { value: 'PORT', help: 'their TCP port; 0: none', variable: 'STATS_PORT', initial: '1936' },
  'stats-listen': { value: 'IP:PORT', help: 'both in one', variable: 'ROUTER_LISTEN_ADDR' },
  'stats-username': { value: 'NAME', help: 'who may read /metrics; default everybody', variable: 'STATS_USERNAME' },
  // No default of a flag shows a password; better set as a variable, which no list of processes shows.
  'stats-password': { value: 'TEXT', help: 'with this password', variable: 'STATS_PASSWORD' },
  'stats-username-file': { value: 'FILE', help: 'the name from a file', variable: 'STATS_USERNAME_FILE' },
  'stats-password-file': { value: 'FILE', help: 'the password from a file', variable: 'STATS_PASSWORD_FILE' },
  'log-level': { heading: 'General', value: 'LEVEL', help: 'debug, info, warn or error', initial: 'info' },
  'cleanup-on-exit': {
    help: 'remove the rules when the agent ends; by default they stay in force for up to 10 minutes',
  },
  'daemon-set': {
    value: 'NAME',
    help: 'remove the rules when the agent ends and this DaemonSet in the namespace of the Lease is gone or being deleted',
    variable: 'DAEMON_SET',
  },
  'dry-run': { help: 'decide and tell, but change nothing on the node' },
  ...daemonTable,
  help: { help: 'show this' },
};

/** The names of all options, without the dashes. */
export type OptionName =
  | HttpOptionName
  | 'update-status'
  | 'manifests'
  | 'status-file'
  | 'kubeconfig'
  | 'lease-namespace'
  | 'name'
  | 'node-name'
  | 'addresses'
  | 'router-name'
  | 'router-name-annotation'
  | 'status-router-name'
  | 'canonical-hostname'
  | 'gateway-class'
  | 'gateway-addresses'
  | 'route-labels'
  | 'namespace-labels'
  | 'project-labels'
  | 'route-fields'
  | 'allowed-domains'
  | 'denied-domains'
  | 'allowed-ports'
  | 'reserved-ports'
  | 'node-service-ports'
  | 'node-ports'
  | 'node-endpoint-networks'
  | 'closed-node-ports'
  | 'namespace-ports'
  | 'namespace-quota'
  | 'tcp-balance'
  | 'balance'
  | 'tunnel-timeout'
  | 'check-interval'
  | 'drain-time'
  | 'strict-allow-lists'
  | 'sync-interval'
  | StatsOptionName
  | 'log-level'
  | keyof typeof daemonTable
  | 'cleanup-on-exit'
  | 'daemon-set'
  | 'dry-run'
  | 'help';

/** The text of `--help`. */
export function formatHelp(): string {
  return formatOptionHelp(
    [
      'Usage: ingress-agent [--manifests DIR] [OPTION]...',
      '',
      'Serves Routes: their ports in the kernel, their hosts and paths by HAProxy.',
    ],
    optionTable,
  );
}
