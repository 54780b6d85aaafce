import { parseGoBool } from '../go-text.ts';
import type { IngressControllerSpec } from '../spec.ts';
import type { Variables } from './model.ts';

/** Returns the variables of `spec.unsupportedConfigOverrides`, and of `tuningOptions.configurationManagement`. */
export function writeOverrideVariables({
  unsupportedConfigOverrides,
  tuningOptions,
}: IngressControllerSpec): Variables {
  const { loadBalancingAlgorithm, dynamicConfigManager, maxDynamicServers, contStats, mutualTLSHeaderFilter } =
    unsupportedConfigOverrides ?? {};
  const isDynamic = parseGoBool(dynamicConfigManager) ?? tuningOptions?.configurationManagement === 'Dynamic';
  const servers = /^\+?\d{1,9}$/.test(maxDynamicServers ?? '') ? Number(maxDynamicServers) : 0;
  return {
    ROUTER_LOAD_BALANCE_ALGORITHM: loadBalancingAlgorithm === 'leastconn' ? 'leastconn' : 'random',
    // As OpenShift's operator sets them, for readers of the Deployment. The agent logs that they have no effect.
    ...(isDynamic && {
      ROUTER_HAPROXY_CONFIG_MANAGER: 'true',
      ROUTER_BLUEPRINT_ROUTE_POOL_SIZE: '0',
      ROUTER_MAX_DYNAMIC_SERVERS: `${servers > 0 ? servers : 1}`,
    }),
    ...(parseGoBool(contStats) === true && { ROUTER_HAPROXY_CONTSTATS: 'true' }),
    ...(parseGoBool(mutualTLSHeaderFilter) === false && { ROUTER_MUTUAL_TLS_HEADER_FILTER: 'false' }),
  };
}
