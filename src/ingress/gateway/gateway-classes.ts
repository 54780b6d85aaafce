import { clusterNames } from '../../base/kubernetes/names.ts';
import type { GatewayClass } from './gateway-class.ts';

/**
 * Returns a function that decides whether Gateways of a class are served: classes of this controller, and only
 * `narrowedTo` if it is given. A class that is given but does not exist counts, too: with manifests a Gateway needs
 * no GatewayClass.
 */
export function chooseClasses(
  classes: readonly GatewayClass[],
  narrowedTo: string | undefined,
): (className: string) => boolean {
  const served = new Set(classes.filter((one) => isOurs(one) && !one.hasParameters).map(({ meta }) => meta.name));
  if (narrowedTo === undefined) return (name) => served.has(name);
  const isDefined = classes.some(({ meta }) => meta.name === narrowedTo);
  return (name) => name === narrowedTo && (served.has(name) || !isDefined);
}

/** Returns whether a class names this controller. */
export function isOurs({ controllerName }: GatewayClass): boolean {
  return controllerName === clusterNames.gatewayController;
}
