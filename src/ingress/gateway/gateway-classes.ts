import { clusterNames } from '../../base/kubernetes/names.ts';
import type { GatewayClass } from './gateway-class.ts';

/**
 * Returns a predicate for classes whose Gateways are served: those of this controller, and only
 * `narrowedTo` if it is given. That class need not exist: with `--manifests`, Gateways need
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
