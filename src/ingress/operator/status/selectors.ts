import { isDeepStrictEqual } from 'node:util';
import type { IngressController } from '../ingress-controller.ts';

/** Whether the status of an object has the selectors of its spec, so that entries of excluded Routes were removed. */
export function selectorsInStatus({ written, status }: IngressController): boolean {
  return (['routeSelector', 'namespaceSelector'] as const).every((key) =>
    isDeepStrictEqual(written[key] ?? undefined, status[key] ?? undefined),
  );
}
