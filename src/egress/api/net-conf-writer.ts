import { formatPrefix, type Prefix } from '../../base/model/address.ts';
import type { RuleBackendChoice } from '../../base/rules/transaction.ts';
import type { LogSettings } from '../model/attachment.ts';
import type { EgressRouterSpec } from './egress-router.ts';
import { toNetConfIp } from './net-conf-ip.ts';

/** Settings of a network configuration that an EgressRouter does not contain. */
export interface NetConfSettings {
  /** Networks that stay routed through the pod's old gateway. */
  readonly clusterNetworks: readonly Prefix[];
  readonly ruleBackend: RuleBackendChoice;
  readonly log: LogSettings;
}

/**
 * Renders the network configuration of an EgressRouter as the Cluster Network Operator does, and adds the
 * interface settings that the operator omits. Parsing it returns the same router.
 *
 * @param name name of the network
 */
export function writeNetConf(
  name: string,
  router: EgressRouterSpec,
  { clusterNetworks, ruleBackend, log }: NetConfSettings,
): Readonly<Record<string, unknown>> {
  const { mode, master } = router;
  const isOrdinary = (mode === undefined || mode === 'bridge') && master === undefined;
  return {
    cniVersion: '0.4.0',
    name,
    type: 'egress-router',
    ...(!isOrdinary && {
      interfaceArgs: { ...(master !== undefined && { master }), ...(mode !== undefined && { mode }) },
    }),
    ip: toNetConfIp(router),
    ...(clusterNetworks.length > 0 && { clusterNetworks: clusterNetworks.map(formatPrefix) }),
    ...(ruleBackend !== 'auto' && { ruleBackend }),
    log_file: log.file,
    log_level: log.level,
  };
}
