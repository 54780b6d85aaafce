import { daemonTable } from '../../base/daemon/log-format.ts';
import { defineOptions, formatOptionHelp } from '../../base/daemon/table.ts';
import { clusterNames } from '../../base/kubernetes/names.ts';
import { defaultLog } from '../api/log-settings.ts';

/** Every option, in the order of `--help`. */
export const optionTable = defineOptions({
  image: {
    value: 'IMAGE',
    help: "image of the routers' pods; default the one of --pod-name",
    variable: 'ROUTER_IMAGE',
  },
  'pod-name': {
    value: 'NAME',
    help: 'pod that this controller runs in, in --lease-namespace',
    variable: 'POD_NAME',
  },
  'cluster-networks': {
    value: 'CIDR,...',
    help: "networks of pods and Services, which routers reach through the pod's own interface",
    variable: 'CLUSTER_NETWORKS',
  },
  'allow-names': {
    value: 'SUFFIX,...',
    help: 'names inside the cluster that EgressRouters may use as destinations, such as "db.svc.cluster.local"',
    variable: 'ALLOW_NAMES',
  },
  'rule-backend': {
    value: 'BACKEND',
    help: 'tool that installs rules in routers: auto, iptables or nftables',
    variable: 'RULE_BACKEND',
    initial: 'auto',
  },
  'router-log-level': {
    value: 'LEVEL',
    help: `level of the plugin's log ${defaultLog.file}: panic, error, verbose or debug`,
    variable: 'ROUTER_LOG_LEVEL',
    initial: defaultLog.level,
  },
  'default-route-annotation': {
    help: "pass the gateway to Multus, as OpenShift's operator does; the plugin does not need it",
    variable: 'DEFAULT_ROUTE_ANNOTATION',
  },
  'node-failure-time': {
    value: 'TIME',
    help: 'evict a router from a node that has not been ready for this long, whole seconds',
    variable: 'NODE_FAILURE_TIME',
    initial: '30s',
  },
  'live-change-timeout': {
    value: 'TIME',
    help: "replace a router's pod when its node's daemon has not applied changed redirects within this time",
    variable: 'LIVE_CHANGE_TIMEOUT',
    initial: '10s',
  },
  'node-selector': {
    value: 'KEY=VALUE,...',
    help: 'run routers on nodes with these labels; default any node',
    variable: 'ROUTER_NODE_SELECTOR',
  },
  'ingress-controllers': {
    help: 'create routers for IngressControllers (operator.openshift.io/v1), on clusters other than OpenShift',
    variable: 'INGRESS_CONTROLLERS',
  },
  'ingress-domain': {
    value: 'DOMAIN',
    help: 'domain of IngressControllers that name none; default each must name one',
    variable: 'INGRESS_DOMAIN',
  },
  'disable-default-ingress-controller': {
    help: 'do not create the IngressController "default" with the domain of --ingress-domain',
    variable: 'DISABLE_DEFAULT_INGRESS_CONTROLLER',
  },
  'client-crl-networks': {
    value: 'CIDR,...',
    help: 'networks with servers of revocation lists of client certificates; default any outside --cluster-networks',
    variable: 'CLIENT_CRL_NETWORKS',
  },
  kubeconfig: {
    value: 'FILE',
    help: "kubeconfig file; default the pod's service account",
    variable: 'KUBECONFIG',
  },
  'lease-namespace': {
    value: 'NAMESPACE',
    help: 'namespace of the Lease that elects one of several controllers',
    variable: 'POD_NAMESPACE',
    initial: 'default',
  },
  'lease-name': { value: 'NAME', help: 'name of the Lease', initial: clusterNames.controller },
  'lease-duration': {
    value: 'TIME',
    help: 'let another controller take over if the Lease is not renewed for this long; longer while the API server is slow',
    initial: '2s',
  },
  'listen-address': {
    value: 'IP',
    help: 'address of /metrics, /healthz and /readyz; /metrics requires a token unless this is a loopback address',
    initial: '0.0.0.0',
  },
  'listen-port': {
    value: 'PORT',
    help: 'TCP port of /metrics, /healthz and /readyz; 0 disables them',
    initial: '8080',
  },
  'log-level': { value: 'LEVEL', help: 'level of the log: debug, info, warn or error', initial: 'info' },
  ...daemonTable,
  help: { help: 'print this help' },
});

/** The names of all options, without the dashes. */
export type OptionName = keyof typeof optionTable;

/** The text of `--help`. */
export function formatHelp(): string {
  return formatOptionHelp(
    [
      'Usage: egress-router-controller --image IMAGE [OPTION]...',
      '',
      'Maintains the NetworkAttachmentDefinitions and Deployments of EgressRouters, and routers of IngressControllers.',
    ],
    optionTable,
  );
}
