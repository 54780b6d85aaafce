import { formatProblem, type Parsed } from '../../../../src/base/model/problem.ts';
import { ProblemList } from '../../../../src/base/read/problem-list.ts';
import { type EgressRouterSpec, readEgressRouter } from '../../../../src/egress/api/egress-router.ts';
import { parseNetConf } from '../../../../src/egress/api/net-conf.ts';
import type { AttachmentSpec } from '../../../../src/egress/model/attachment.ts';

/** A network configuration as OpenShift's Cluster Network Operator writes it. */
export const clusterNetworkOperatorConf = {
  cniVersion: '0.4.0',
  type: 'egress-router',
  name: 'egress-router-cni-nad',
  ip: {
    addresses: ['192.168.12.99/24'],
    destinations: ['80 UDP 10.0.0.99/30', '8080 TCP 203.0.113.26/30 80', '8443 TCP 203.0.113.27/30 443'],
    fallbackIP: '203.0.113.30',
    gateway: '192.168.12.1',
  },
  log_file: '/tmp/egress-router-log',
  log_level: 'debug',
};

/** The EgressRouter of OpenShift's documentation, verbatim. */
export const documentedEgressRouter = {
  apiVersion: 'network.operator.openshift.io/v1',
  kind: 'EgressRouter',
  metadata: { name: 'egress-router-redirect' },
  spec: {
    networkInterface: { macvlan: { mode: 'Bridge' } },
    addresses: [{ ip: '192.168.12.99/24', gateway: '192.168.12.1' }],
    mode: 'Redirect',
    redirect: {
      redirectRules: [
        { destinationIP: '10.0.0.99', port: 80, protocol: 'UDP' },
        { destinationIP: '203.0.113.26', port: 8080, targetPort: 80, protocol: 'TCP' },
        { destinationIP: '203.0.113.27', port: 8443, targetPort: 443, protocol: 'TCP' },
      ],
    },
  },
};

/** Returns a valid configuration with some keys replaced. */
export function confWith(changes: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return {
    cniVersion: '1.1.0',
    name: 'net',
    type: 'egress-router',
    ip: { addresses: ['192.168.12.99/24'] },
    ...changes,
  };
}

/** Returns a valid configuration with some keys of `ip` replaced. */
export function confWithIp(changes: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return confWith({ ip: { addresses: ['192.168.12.99/24'], ...changes } });
}

/** Parses a configuration that must be valid. */
export function readNetConf(conf: unknown, mac?: string): AttachmentSpec {
  const parsed = parseNetConf(conf, mac);
  if (!parsed.ok) throw new Error(parsed.problems.map(formatProblem).join('\n'));
  return parsed.value;
}

/** Returns the problems of a configuration, one line each. */
export function problemsOfNetConf(conf: unknown): string[] {
  const parsed = parseNetConf(conf);
  return parsed.ok ? [] : parsed.problems.map(formatProblem);
}

/** Parses an EgressRouter, the whole object or only its `spec`, as a network configuration contains it. */
export function parseEgressRouter(
  input: unknown,
  path = '',
  allowedSuffixes: readonly string[] = [],
): Parsed<EgressRouterSpec> {
  const problems = new ProblemList();
  const router = readEgressRouter(input, path, problems, allowedSuffixes);
  return problems.finish(() => router);
}
