import type { ObjectMeta } from '../../../base/read/object-meta.ts';
import { isRecord } from '../../../base/read/shape.ts';
import { memberLabel, type RouterNames } from './names.ts';

/** Milliseconds after which a pod that has not terminated is on a dead node or has no owner. */
const longestWait = 30_000;

/**
 * Pods of a deleted Deployment. The garbage collector deletes them later, and until then they have the address that
 * the next pod needs.
 */
export class Leftovers {
  /** When each Deployment began to wait, by its `NAMESPACE/NAME`, and for which router. */
  readonly #waits = new Map<string, { readonly router: string; readonly since: number }>();

  /**
   * Returns the name of a pod that must terminate before a router's Deployment may be created. Returns undefined if
   * there is none, or after too long a wait.
   *
   * @param pods all pods of the namespace
   * @param now monotonic milliseconds
   * @param findLeaving returns a pod of another router that still has the addresses
   */
  find(
    { uid, namespace }: ObjectMeta,
    names: RouterNames,
    pods: readonly unknown[],
    now: number,
    findLeaving: () => string | undefined = () => undefined,
  ): string | undefined {
    const key = `${namespace}/${names.deployment}`;
    const pod = pods.map((object) => nameIfOf(object, names)).find((name) => name !== undefined) ?? findLeaving();
    if (pod === undefined) {
      this.#waits.delete(key);
      return undefined;
    }
    const known = this.#waits.get(key);
    const wait = known?.router === uid ? known : { router: uid, since: now };
    this.#waits.set(key, wait);
    return now - wait.since < longestWait ? pod : undefined;
  }

  /** Records that the Deployment exists, so the next wait starts from zero. */
  forget({ namespace }: ObjectMeta, names: RouterNames): void {
    this.#waits.delete(`${namespace}/${names.deployment}`);
  }
}

function nameIfOf(pod: unknown, { selector, podLabels, identity }: RouterNames): string | undefined {
  const metadata = isRecord(pod) && isRecord(pod.metadata) ? pod.metadata : {};
  const status = isRecord(pod) && isRecord(pod.status) ? pod.status : {};
  // A pod that has ended has no address, although it is still listed.
  if (status.phase === 'Succeeded' || status.phase === 'Failed') return undefined;
  const labels = isRecord(metadata.labels) ? metadata.labels : {};
  const has = (wanted: Readonly<Record<string, string>>): boolean =>
    Object.entries(wanted).every(([key, value]) => labels[key] === value);
  // A pod that names its addresses blocks only these addresses.
  const hasAddress = [undefined, podLabels[memberLabel]].includes(labels[memberLabel] as string | undefined);
  const isInTheWay = hasAddress && (has(selector) || has(identity));
  return isInTheWay && typeof metadata.name === 'string' ? metadata.name : undefined;
}
