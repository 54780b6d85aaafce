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
  kubeconfig: {
    value: 'FILE',
    help: 'reach Kubernetes as FILE says; without it, as a pod does',
    variable: 'KUBECONFIG',
  },
  'lease-namespace': {
    value: 'NAMESPACE',
    help: 'namespace of the Lease that elects one of several controllers',
    variable: 'POD_NAMESPACE',
    initial: 'default',
  },
  'lease-name': { value: 'NAME', help: 'its name', initial: clusterNames.controller },
  'lease-duration': {
    value: 'TIME',
    help: 'another controller takes over when the Lease was not renewed for this long; longer while the API server is slow',
    initial: '2s',
  },
  'listen-address': {
    value: 'IP',
    help: 'address of /metrics, /healthz and /readyz; on any but a loopback address /metrics asks for a token',
    initial: '0.0.0.0',
  },
  'listen-port': { value: 'PORT', help: 'their TCP port; 0: none', initial: '8080' },
  'log-level': { value: 'LEVEL', help: 'debug, info, warn or error', initial: 'info' },
  ...daemonTable,
  help: { help: 'show this' },
});

/** The names of all options, without the dashes. */
export type OptionName = keyof typeof optionTable;

/** The text of `--help`. */
export function formatHelp(): string {
  return formatOptionHelp(
    [
      'Usage: egress-router-controller --image IMAGE [OPTION]...',
      '',
      'Maintains the NetworkAttachmentDefinitions and Deployments of EgressRouters.',
    ],
    optionTable,
  );
}
