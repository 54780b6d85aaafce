import { daemonTable } from '../../base/daemon/log-format.ts';
import { formatOptionHelp, type OptionTable } from '../../base/daemon/table.ts';
import { clusterNames } from '../../base/kubernetes/names.ts';
import { addressesFolder, heartbeatPort } from '../addresses/documents.ts';
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
    help: 'read objects from YAML and JSON files in DIR; default from Kubernetes',
  },
  'status-file': { value: 'FILE', help: 'write statuses to FILE (with --manifests; default DIR.status.json)' },
  kubeconfig: {
    value: 'FILE',
    help: "kubeconfig file; default the pod's service account",
    variable: 'KUBECONFIG',
  },
  'lease-namespace': {
    value: 'NAMESPACE',
    help: 'namespace of the Lease of the agent that writes statuses',
    variable: 'POD_NAMESPACE',
    initial: 'default',
  },
  name: {
    heading: 'Node and router',
    value: 'NAME',
    help: 'name of the agent, used in the names of its rules',
    initial: 'ingress',
  },
  'node-name': { value: 'NODE', help: 'name of this node; default the host name', variable: 'NODE_NAME' },
  addresses: { value: 'IP,...', help: "serve these addresses; default all of the node's" },
  'router-name': { value: 'NAME', help: 'serve only Routes whose annotation names this router; default all' },
  'router-name-annotation': {
    value: 'KEY',
    help: 'annotation that names the router',
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
  'ingress-class': { value: 'NAME', help: 'serve only Ingresses of this class; default all of this controller' },
  'gateway-addresses': {
    value: 'IP,...',
    help: "addresses in Gateways' statuses; default --addresses, else the node's",
  },
  'address-pool': {
    heading: 'Virtual addresses',
    value: 'POOL',
    help: 'pool of virtual addresses, NAME=RANGE,...[;interface=NAME|;subnet=NETWORK][;namespaces=NS,...]; repeatable, besides IngressAddressPools',
    repeats: true,
  },
  'router-addresses': {
    value: 'IP,...',
    help: 'addresses of pools at which Routes are served, besides the addresses of the nodes',
    variable: 'ROUTER_ADDRESSES',
  },
  'load-balancer-class': {
    value: 'NAME',
    help: 'loadBalancerClass of Services that get addresses of pools',
    initial: clusterNames.gatewayController,
  },
  'address-members': {
    value: 'NODE=IP+...,...',
    help: 'ingress nodes that hold virtual addresses, with --manifests; default only this node',
  },
  'heartbeat-port': {
    value: 'PORT',
    help: 'UDP port on which nodes with virtual addresses observe each other',
    initial: String(heartbeatPort),
  },
  'addresses-directory': {
    value: 'DIR',
    help: 'folder of the files for the program ingress-addresses',
    initial: addressesFolder,
  },
  'route-labels': {
    heading: 'Selection of Routes',
    value: 'SELECTOR',
    help: 'serve only Routes with these labels',
    variable: 'ROUTE_LABELS',
  },
  'namespace-labels': {
    value: 'SELECTOR',
    help: 'serve only Routes of namespaces with these labels',
    variable: 'NAMESPACE_LABELS',
  },
  'project-labels': {
    value: 'SELECTOR',
    help: 'same as --namespace-labels; if both are set, both must match',
    variable: 'PROJECT_LABELS',
  },
  'route-fields': {
    value: 'SELECTOR',
    help: 'serve only Routes whose fields match, for example spec.path=/api',
    variable: 'ROUTE_FIELDS',
  },
  'allowed-domains': {
    value: 'DOMAIN,...',
    help: 'serve only hosts in these domains',
    variable: 'ROUTER_ALLOWED_DOMAINS',
  },
  'denied-domains': {
    value: 'DOMAIN,...',
    help: 'serve no hosts in these domains; takes precedence over --allowed-domains',
    variable: 'ROUTER_DENIED_DOMAINS',
  },
  'hosts-only': {
    help: 'serve only hosts and paths of Routes: ignore requests for ports, Gateways and Ingresses',
  },
  'allowed-ports': {
    heading: 'Ports',
    value: 'PORTS',
    help: 'ports that Routes may open',
    initial: formatPortRanges(defaultPolicy.allowedPorts),
  },
  'reserved-ports': { value: 'PORTS', help: 'ports that no Route may open' },
  'node-service-ports': {
    value: 'PORTS',
    help: "ports of the node's own programs, which no Route may open",
    initial: formatPortRanges(defaultPolicy.nodeServicePorts).replaceAll(' ', ''),
  },
  'node-ports': {
    value: 'PORTS',
    help: 'NodePort range of the cluster, which no Route may open',
    initial: formatPortRanges(defaultPolicy.nodePorts),
  },
  'node-endpoint-networks': {
    value: 'NETWORK,...',
    help: 'node addresses that any endpoint may have; default only those of running pods with hostNetwork',
  },
  'closed-node-ports': {
    value: 'PORTS',
    help: 'ports of node addresses that no endpoint may have, not even pods with hostNetwork; "none" allows all',
    initial: formatPortRanges(defaultClosedPorts).replaceAll(' ', ''),
  },
  'namespace-ports': {
    value: 'NS=PORTS;...',
    help: 'additional ports reserved for one namespace',
  },
  'namespace-quota': {
    value: 'ports=N,endpoints=N',
    help: 'limits of a namespace; default none',
  },
  'tcp-balance': {
    heading: 'Balancing and health',
    value: 'HOW',
    help: 'default balance of ports: source, roundrobin or random',
    variable: 'ROUTER_TCP_BALANCE_SCHEME',
    fallsBack: true,
  },
  balance: {
    value: 'HOW',
    help: 'default balance of HTTP (also leastconn; default random), and of ports without --tcp-balance (leastconn means source)',
    variable: 'ROUTER_LOAD_BALANCE_ALGORITHM',
    fallsBack: true,
  },
  'tunnel-timeout': {
    value: 'TIME',
    help: 'delete connections that are silent for this long; default the timeouts of the kernel',
    variable: 'ROUTER_DEFAULT_TUNNEL_TIMEOUT',
    fallsBack: true,
  },
  'check-interval': {
    value: 'TIME',
    help: 'interval between checks of an endpoint; 0 disables them',
    variable: 'ROUTER_BACKEND_CHECK_INTERVAL',
    initial: '5000ms',
    fallsBack: true,
  },
  'drain-time': {
    value: 'TIME',
    help: 'delete established connections this long after the removal of their endpoint',
    initial: '10s',
  },
  'strict-allow-lists': { help: 'close connections of clients that are removed from an allow-list' },
  'sync-interval': {
    value: 'TIME',
    help: 'minimum interval between changes of ports',
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
    help: 'address of /metrics, /healthz and /readyz; default all addresses if a password is set, otherwise 127.0.0.1',
  },
  'stats-port': {
    value: 'PORT',
    help: 'TCP port of /metrics, /healthz and /readyz; 0 disables them',
    variable: 'STATS_PORT',
    initial: '1936',
  },
  'stats-listen': {
    value: 'IP:PORT',
    help: '--stats-address and --stats-port in one option',
    variable: 'ROUTER_LISTEN_ADDR',
  },
  'stats-username': {
    value: 'NAME',
    help: 'user name for /metrics; default no authentication',
    variable: 'STATS_USERNAME',
  },
  // No flag shows a password as its default. A variable is preferable, because process lists do not show it.
  'stats-password': { value: 'TEXT', help: 'password for /metrics', variable: 'STATS_PASSWORD' },
  'stats-username-file': {
    value: 'FILE',
    help: 'file with the user name for /metrics',
    variable: 'STATS_USERNAME_FILE',
  },
  'stats-password-file': {
    value: 'FILE',
    help: 'file with the password for /metrics',
    variable: 'STATS_PASSWORD_FILE',
  },
  'stats-tls-certificate': {
    value: 'FILE',
    help: 'serve /metrics also with TLS, with this certificate (PEM); a replaced file is read again',
    variable: 'ROUTER_METRICS_TLS_CERT_FILE',
  },
  'stats-tls-key': { value: 'FILE', help: 'key of that certificate', variable: 'ROUTER_METRICS_TLS_KEY_FILE' },
  'stats-tls-min-version': {
    value: 'VERSION',
    help: 'minimum TLS version of /metrics: TLSv1.2 or TLSv1.3',
    variable: 'ROUTER_METRICS_TLS_MIN_VERSION',
    initial: 'TLSv1.2',
    fallsBack: true,
  },
  'stats-tls-ciphers': {
    value: 'NAME:...',
    help: 'ciphers of /metrics, with names of OpenSSL or IANA',
    variable: 'ROUTER_METRICS_TLS_CIPHERS',
    fallsBack: true,
  },
  'log-level': {
    heading: 'General',
    value: 'LEVEL',
    help: 'level of the log: debug, info, warn or error',
    initial: 'info',
  },
  'cleanup-on-exit': { help: 'remove the rules on exit; default they stay active for 10 minutes' },
  'daemon-set': {
    value: 'NAME',
    help: 'remove the rules on exit if this DaemonSet, in --lease-namespace, is gone or being deleted',
    variable: 'DAEMON_SET',
  },
  'pod-uid': {
    value: 'UID',
    help: 'UID of this pod: hand over between the pods of a node that share --haproxy-directory; each has a folder in it',
    variable: 'POD_UID',
  },
  'dry-run': { help: 'compute and report changes without applying them' },
  ...daemonTable,
  help: { help: 'print this help' },
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
  | 'ingress-class'
  | 'gateway-addresses'
  | 'address-pool'
  | 'router-addresses'
  | 'load-balancer-class'
  | 'address-members'
  | 'heartbeat-port'
  | 'addresses-directory'
  | 'route-labels'
  | 'namespace-labels'
  | 'project-labels'
  | 'route-fields'
  | 'allowed-domains'
  | 'denied-domains'
  | 'hosts-only'
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
  | 'pod-uid'
  | 'dry-run'
  | 'help';

/** The text of `--help`. */
export function formatHelp(): string {
  return formatOptionHelp(
    [
      'Usage: ingress-agent [--manifests DIR] [OPTION]...',
      '',
      'Serves Routes: their ports in the kernel, their hosts and paths with HAProxy.',
    ],
    optionTable,
  );
}
