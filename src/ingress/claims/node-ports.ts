import type { PortRange } from './port-ranges.ts';

/** Ports of a program that nodes run for their cluster. */
interface NodeService {
  readonly ports: PortRange;
  readonly program: string;
}

const one = (port: number, program: string): NodeService => ({ ports: { from: port, to: port }, program });
const range = (from: number, to: number, program: string): NodeService => ({ ports: { from, to }, program });

/**
 * Ports of well-known programs of nodes, from 1024 on: those in Kubernetes' "Ports and Protocols", and defaults of
 * common programs with hostNetwork. A Route that obtained such a port during a restart of the program would answer in
 * its place: clients of a kubelet would trust a tenant's pod.
 */
const nodeServices: readonly NodeService[] = [
  one(1936, 'statistics of routers, and of this agent'),
  one(1941, 'heartbeats of this agent'),
  range(2379, 2382, 'etcd: clients, peers, metrics'),
  one(4194, 'cAdvisor'),
  range(4240, 4245, 'Cilium: health, Hubble'),
  one(4789, 'VXLAN'),
  one(5473, 'Calico Typha'),
  one(6060, 'Cilium: profiling'),
  one(6081, 'Geneve'),
  range(6443, 6444, 'API server, and its balancer of k3s'),
  range(6641, 6644, 'OVN: databases'),
  range(6783, 6784, 'Weave Net'),
  range(8132, 8134, 'Konnectivity'),
  one(8472, 'VXLAN of Flannel and Cilium'),
  one(9091, 'Calico: metrics of Felix'),
  range(9098, 9099, 'Calico: health of Typha and Felix'),
  range(9100, 9101, 'node exporter, and its proxy'),
  range(9103, 9108, 'OVN-Kubernetes: metrics'),
  one(9153, 'CoreDNS: metrics'),
  range(9234, 9235, 'Cilium: operator'),
  one(9253, 'NodeLocal DNSCache: metrics'),
  one(9345, 'RKE2: supervisor'),
  one(9353, 'NodeLocal DNSCache: metrics'),
  one(9537, 'CRI-O: metrics'),
  range(9641, 9644, 'OVN: databases of OpenShift'),
  range(9878, 9879, 'Cilium: Envoy'),
  range(9890, 9893, 'Cilium: agent, Hubble'),
  range(9962, 9965, 'Cilium: metrics'),
  one(9977, 'OpenShift: etcd'),
  range(9978, 9980, 'OpenShift: etcd'),
  one(10010, 'CRI: streaming'),
  range(10248, 10260, 'kubelet, kube-proxy, controller manager, scheduler, cloud controller'),
  range(10300, 10302, 'CSI drivers of OpenShift'),
  range(22623, 22624, 'OpenShift: machine configuration'),
  range(29000, 29009, 'Multus and network probes of OpenShift'),
];

/** Ports that no Route may open unless an administrator allows them. */
export const nodeServicePorts: readonly PortRange[] = nodeServices.map(({ ports }) => ports);
