import type { KubeApi } from '../../base/kubernetes/cluster-api.ts';
import { readRecords } from '../../base/kubernetes/conditions.ts';
import type { Leadership } from '../../base/kubernetes/leadership.ts';
import { patchStatus } from '../../base/kubernetes/status-patch.ts';
import { type Labels, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord } from '../../base/read/shape.ts';
import { matchesSelector } from './label-selector.ts';

const routesPath = '/apis/route.openshift.io/v1';
const pageSize = 500;

/** Dependencies of the removal of entries. */
export interface RouteStatusParts {
  readonly api: KubeApi;
  readonly leadership: Leadership;
  readonly signal: AbortSignal;
}

/** Which Routes a router serves. */
export interface Selectors {
  readonly routeSelector?: unknown;
  readonly namespaceSelector?: unknown;
}

/**
 * Removes the entries of a router from the statuses of Routes that it does not serve.
 *
 * @param selectors which Routes it serves; undefined: none, because the router is gone
 * @returns the number of changed Routes. Rejects with a KubeError
 */
export async function clearRouteStatuses(
  routerName: string,
  selectors: Selectors | undefined,
  { api, leadership, signal }: RouteStatusParts,
): Promise<number> {
  const namespaces =
    selectors?.namespaceSelector === undefined ? undefined : await readNamespaces(api, selectors, signal);
  let count = 0;
  for await (const route of list(api, `${routesPath}/routes`, signal)) {
    const meta = readMeta(route, new ProblemList());
    if (meta === undefined || dropEntry(route, routerName) === undefined) continue;
    const isServed =
      selectors !== undefined &&
      matchesSelector(selectors.routeSelector, meta.labels) &&
      (namespaces === undefined || namespaces.has(meta.namespace));
    if (isServed) continue;
    const outcome = await patchStatus(api, route, {
      path: `${routesPath}/namespaces/${meta.namespace}/routes/${meta.name}`,
      plan: (object) => dropEntry(object, routerName),
      leadership,
      signal,
    });
    if (typeof outcome !== 'string') count++;
  }
  return count;
}

/** Returns the status without a router's entries. Undefined if it has none. */
function dropEntry(route: unknown, routerName: string): Readonly<Record<string, unknown>> | undefined {
  const status = isRecord(route) && isRecord(route.status) ? route.status : {};
  const entries = readRecords(status.ingress);
  const others = entries.filter((entry) => entry.routerName !== routerName);
  return others.length === entries.length ? undefined : { ingress: others };
}

async function readNamespaces(
  api: KubeApi,
  { namespaceSelector }: Selectors,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for await (const namespace of list(api, '/api/v1/namespaces', signal)) {
    const metadata = isRecord(namespace) && isRecord(namespace.metadata) ? namespace.metadata : {};
    const labels = isRecord(metadata.labels) ? (metadata.labels as Labels) : {};
    if (typeof metadata.name === 'string' && matchesSelector(namespaceSelector, labels)) names.add(metadata.name);
  }
  return names;
}

/** Yields the objects of a list, page by page. */
async function* list(api: KubeApi, path: string, signal: AbortSignal): AsyncGenerator<unknown> {
  let token: string | undefined;
  do {
    const query = { limit: pageSize, ...(token !== undefined && { continue: token }) };
    const page = await api.get(path, query, signal);
    if (!isRecord(page) || !Array.isArray(page.items)) return;
    yield* page.items;
    const next = isRecord(page.metadata) ? page.metadata.continue : undefined;
    token = typeof next === 'string' && next !== '' ? next : undefined;
  } while (token !== undefined);
}
