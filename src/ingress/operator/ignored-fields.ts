import { clipHaproxyTime } from './go-duration.ts';
import type { IngressController } from './ingress-controller.ts';
import { annotations as keys } from './names.ts';
import { readServiceAnnotations } from './services.ts';
import type { IngressControllerSpec } from './spec.ts';
import { completeStrategy } from './strategy.ts';
import { unknownGroupsOf } from './tls-profile.ts';

/** Returns the fields and annotations of an object that have no effect, with the reason, one line each. */
export function listIgnoredFields(
  spec: IngressControllerSpec,
  { annotations }: Pick<IngressController, 'annotations'>,
): readonly string[] {
  const { endpointPublishingStrategy, haproxyVersion, tuningOptions, unsupportedConfigOverrides } = spec;
  const lines: (string | false)[] = [
    endpointPublishingStrategy?.loadBalancer?.providerParameters !== undefined &&
      `spec.endpointPublishingStrategy.loadBalancer.providerParameters: set the annotations of your cloud in ${keys.serviceAnnotations}`,
    haproxyVersion !== undefined && 'spec.haproxyVersion: the image contains one version of HAProxy',
    tuningOptions?.configurationManagement !== undefined &&
      'spec.tuningOptions.configurationManagement: changes are always applied at run time if HAProxy can',
    unsupportedConfigOverrides?.dynamicConfigManager !== undefined &&
      'spec.unsupportedConfigOverrides.dynamicConfigManager: changes are always applied at run time if HAProxy can',
    unsupportedConfigOverrides?.maxDynamicServers !== undefined &&
      'spec.unsupportedConfigOverrides.maxDynamicServers: servers are added on demand',
  ];
  const groups = unknownGroupsOf(spec.tlsSecurityProfile);
  if (groups.length > 0) {
    lines.push(`spec.tlsSecurityProfile.custom.groups: HAProxy does not know ${groups.join(', ')}`);
  }
  const hardStop = annotations[keys.hardStopAfter];
  if (hardStop && clipHaproxyTime(hardStop) === undefined) {
    lines.push(`annotation ${keys.hardStopAfter} "${hardStop}": must be a time such as "30m"`);
  }
  const type = completeStrategy(endpointPublishingStrategy).type;
  if (annotations[keys.addressPool] && (type === 'Private' || type === 'NodePortService')) {
    lines.push(`annotation ${keys.addressPool}: only HostNetwork and LoadBalancerService have addresses of a pool`);
  }
  if (readServiceAnnotations(annotations[keys.serviceAnnotations]) === undefined) {
    lines.push(`annotation ${keys.serviceAnnotations}: must be an object of strings`);
  }
  return lines.filter((line) => line !== false);
}
