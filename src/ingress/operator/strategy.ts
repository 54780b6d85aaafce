import * as z from 'zod/mini';
import { isRecord } from '../../base/read/shape.ts';
import { type IngressControllerSpec, publishingSchema } from './spec.ts';

type Protocol = 'TCP' | 'PROXY';

/** The effective `endpointPublishingStrategy`, in the form of the API. */
export type Strategy =
  | {
      readonly type: 'HostNetwork';
      readonly hostNetwork: {
        readonly protocol: Protocol;
        readonly httpPort: number;
        readonly httpsPort: number;
        readonly statsPort: number;
      };
    }
  | {
      readonly type: 'LoadBalancerService';
      readonly loadBalancer: {
        readonly scope: 'Internal' | 'External';
        readonly dnsManagementPolicy: 'Managed' | 'Unmanaged';
        readonly allowedSourceRanges?: readonly string[];
        readonly providerParameters?: Readonly<Record<string, unknown>>;
      };
    }
  | { readonly type: 'NodePortService'; readonly nodePort: { readonly protocol: Protocol } }
  | { readonly type: 'Private'; readonly private: { readonly protocol: Protocol } };

/** The default ports of OpenShift's router. */
export const usualPorts = { http: 80, https: 443, stats: 1936 } as const;

/** Returns the strategy with OpenShift's defaults. A platform without load balancers uses HostNetwork. */
export function completeStrategy(written: IngressControllerSpec['endpointPublishingStrategy']): Strategy {
  switch (written?.type) {
    case 'LoadBalancerService': {
      const { scope, dnsManagementPolicy, allowedSourceRanges, providerParameters } = written.loadBalancer ?? {};
      return {
        type: 'LoadBalancerService',
        loadBalancer: {
          scope: scope ?? 'External',
          dnsManagementPolicy: dnsManagementPolicy ?? 'Managed',
          ...(allowedSourceRanges !== undefined && { allowedSourceRanges }),
          ...(providerParameters !== undefined && { providerParameters }),
        },
      };
    }
    case 'NodePortService':
      return { type: 'NodePortService', nodePort: { protocol: written.nodePort?.protocol || 'TCP' } };
    case 'Private':
      return { type: 'Private', private: { protocol: written.private?.protocol || 'TCP' } };
    default: {
      const { protocol, httpPort, httpsPort, statsPort } = written?.hostNetwork ?? {};
      return {
        type: 'HostNetwork',
        hostNetwork: {
          protocol: protocol || 'TCP',
          // Zero selects the default.
          httpPort: httpPort || usualPorts.http,
          httpsPort: httpsPort || usualPorts.https,
          statsPort: statsPort || usualPorts.stats,
        },
      };
    }
  }
}

/** Returns `status.endpointPublishingStrategy.type`, once the object was admitted. */
export function typeInStatus(status: Readonly<Record<string, unknown>>): string | undefined {
  const strategy = status.endpointPublishingStrategy;
  return isRecord(strategy) && typeof strategy.type === 'string' ? strategy.type : undefined;
}

/** Returns `status.endpointPublishingStrategy`, which describes the router, once the object was admitted. */
export function readAppliedStrategy(status: Readonly<Record<string, unknown>>): Strategy | undefined {
  const read = z.safeParse(publishingSchema, status.endpointPublishingStrategy);
  if (!read.success || !read.data) return undefined;
  return completeStrategy(read.data as IngressControllerSpec['endpointPublishingStrategy']);
}

/** Whether clients speak the PROXY protocol. */
export function usesProxyProtocol(strategy: Strategy): boolean {
  switch (strategy.type) {
    case 'HostNetwork':
      return strategy.hostNetwork.protocol === 'PROXY';
    case 'NodePortService':
      return strategy.nodePort.protocol === 'PROXY';
    case 'Private':
      return strategy.private.protocol === 'PROXY';
    case 'LoadBalancerService':
      return false;
  }
}

/** Returns the ports on which a router's pod listens. */
export function portsOf(strategy: Strategy): { readonly http: number; readonly https: number; readonly stats: number } {
  if (strategy.type !== 'HostNetwork') return usualPorts;
  const { httpPort: http, httpsPort: https, statsPort: stats } = strategy.hostNetwork;
  return { http, https, stats };
}
