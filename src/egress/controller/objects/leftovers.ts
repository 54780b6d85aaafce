import type { ObjectMeta } from '../../../base/read/object-meta.ts';
import { isRecord } from '../../../base/read/shape.ts';
import { memberLabel, type RouterNames } from './names.ts';

/** Milliseconds after which a pod that has not ended is on a dead node, or has no owner. */
const longestWait = 30_000;

/**
 * Pods of a Deployment that is gone: the garbage collector ends them after it, and until then they
 * have the address that the next one's pod would take.
 */
export class Leftovers {
  /** Since when a Deployment has not been made, by `NAMESPACE/NAME` of it, and for which router. */
  readonly #waits = new Map<string, { readonly router: string; readonly since: number }>();

  /**
   * Name of a pod that must end before a router's Deployment may be made; undefined where none is in
   * the way, or one has been for too long.
   *
   * @param pods all pods of the namespace
   * @param now milliseconds, of a clock that only goes forward
   * @param findLeaving a pod of another router that has the addresses still
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

  /** There is a Deployment: the next wait is another one. */
  forget({ namespace }: ObjectMeta, names: RouterNames): void {
    this.#waits.delete(`${namespace}/${names.deployment}`);
  }
}

function nameIfOf(pod: unknown, { selector, podLabels, identity }: RouterNames): string | undefined {
  const metadata = isRecord(pod) && isRecord(pod.metadata) ? pod.metadata : {};
  const status = isRecord(pod) && isRecord(pod.status) ? pod.status : {};
  // One that has ended holds no address, though it is still listed.
  if (status.phase === 'Succeeded' || status.phase === 'Failed') return undefined;
  const labels = isRecord(metadata.labels) ? metadata.labels : {};
  const has = (wanted: Readonly<Record<string, string>>): boolean =>
    Object.entries(wanted).every(([key, value]) => labels[key] === value);
  // One that says which addresses it has is in the way of these addresses alone.
  const hasAddress = [undefined, podLabels[memberLabel]].includes(labels[memberLabel] as string | undefined);
  const isInTheWay = hasAddress && (has(selector) || has(identity));
  return isInTheWay && typeof metadata.name === 'string' ? metadata.name : undefined;
}
