import { isRecord } from '../../../base/read/shape.ts';
import { listsKey, namesOf, places } from '../names.ts';
import type { References } from '../references.ts';
import type { OperatorStores } from '../stores.ts';
import { planRevocation } from './issuers.ts';
import type { RevocationLists, RevocationState } from './lists.ts';

/** Dependencies of the lists of one router. */
interface RouterListParts {
  readonly lists: RevocationLists;
  readonly stores: OperatorStores;
}

/** Returns the revocation lists of client certificates, if the router uses them. */
export function readRouterLists(
  name: string,
  { plan, bundle }: References['revocation'],
  { lists, stores }: RouterListParts,
): RevocationState | undefined {
  if (plan.kind !== 'used') {
    lists.forget(name);
    return undefined;
  }
  return lists.get(name, plan.issuers, bundle, readKey(stores, namesOf(name).revocationLists, listsKey));
}

/**
 * Returns the revocation lists of a router that keeps its last objects, because its IngressController is not admitted
 * now: its lists expire all the same. Undefined if it has none.
 */
export function readKeptLists(name: string, parts: RouterListParts): RevocationState | undefined {
  const { revocationLists, clientAuthorities } = namesOf(name);
  if (readKey(parts.stores, revocationLists, listsKey) === '') return undefined;
  const bundle = readKey(parts.stores, clientAuthorities, 'ca-bundle.pem');
  return readRouterLists(name, { plan: planRevocation(bundle), bundle }, parts);
}

/** Returns a value of a ConfigMap in the namespace of routers, or an empty text. */
function readKey(stores: OperatorStores, name: string, key: string): string {
  const object = stores.of('configMaps').get(places.routers, name);
  const value = isRecord(object) && isRecord(object.data) ? object.data[key] : undefined;
  return typeof value === 'string' ? value : '';
}
