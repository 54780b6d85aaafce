import { defaultLog } from '../api/log-settings.ts';
import { formatOptionHelp, type OptionTable } from '../daemon/table.ts';

/** The names of all options, without the dashes. */
export type OptionName =
  | 'image'
  | 'pod-name'
  | 'cluster-networks'
  | 'rule-backend'
  | 'router-log-level'
  | 'default-route-annotation'
  | 'node-failure-time'
  | 'node-selector'
  | 'kubeconfig'
  | 'lease-namespace'
  | 'lease-name'
  | 'listen-address'
  | 'listen-port'
  | 'log-level'
  | 'help';

/** Every option, in the order of `--help`. */
export const optionTable: OptionTable<OptionName> = {
  image: {
    value: 'IMAGE',
    help: "image of the routers' pods; default the one of --pod-name",
    variable: 'ROUTER_IMAGE',
  },
  'pod-name': {
    value: 'NAME',
    help: 'the pod that this controller runs in, in --lease-namespace',
    variable: 'POD_NAME',
  },
  'cluster-networks': {
    value: 'CIDR,...',
    help: "networks of the cluster's pods and Services, which routers reach by the pod's own interface",
    variable: 'CLUSTER_NETWORKS',
  },
  'rule-backend': {
    value: 'BACKEND',
    help: 'auto, iptables or nftables: what installs rules in routers',
    variable: 'RULE_BACKEND',
    initial: 'auto',
  },
  'router-log-level': {
    value: 'LEVEL',
    help: `panic, error, verbose or debug: what the plugin writes to ${defaultLog.file}`,
    variable: 'ROUTER_LOG_LEVEL',
    initial: defaultLog.level,
  },
  'default-route-annotation': {
    help: "tell Multus the gateway, as OpenShift's operator does; the plugin does without",
    variable: 'DEFAULT_ROUTE_ANNOTATION',
  },
  'node-failure-time': {
    value: 'TIME',
    help: 'a pod leaves a node that is not ready so long (us ms s m h d, none: ms), whole seconds',
    variable: 'NODE_FAILURE_TIME',
    initial: '30s',
  },
  'node-selector': {
    value: 'KEY=VALUE,...',
    help: 'labels of nodes that routers may run on; default all nodes',
    variable: 'ROUTER_NODE_SELECTOR',
  },
  kubeconfig: {
    value: 'FILE',
    help: 'reach Kubernetes as FILE says; without it, as a pod does',
    variable: 'KUBECONFIG',
  },
  'lease-namespace': {
    value: 'NAMESPACE',
    help: 'where the Lease is by which one of several controllers works',
    variable: 'POD_NAMESPACE',
    initial: 'default',
  },
  'lease-name': { value: 'NAME', help: 'its name', initial: 'egress-router-controller' },
  'listen-address': { value: 'IP', help: 'where /metrics, /healthz and /readyz are', initial: '0.0.0.0' },
  'listen-port': { value: 'PORT', help: 'their TCP port; 0: none', initial: '8080' },
  'log-level': { value: 'LEVEL', help: 'debug, info, warn or error', initial: 'info' },
  help: { help: 'show this' },
};

/** The text of `--help`. */
export function formatHelp(): string {
  return formatOptionHelp(
    [
      'Usage: egress-router-controller --image IMAGE [OPTION]...',
      '',
      'Makes a NetworkAttachmentDefinition and a Deployment of every EgressRouter.',
    ],
    optionTable,
  );
}
