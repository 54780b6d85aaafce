import { type AdmittedPorts, portKey } from '../claims/ports.ts';
import type { Pending } from '../intent/plane.ts';
import type { DesiredState } from './endpoint-quota.ts';
import type { IngressPort } from './model.ts';

/** Whose port an {@link IngressPort} was computed for. */
export type OwnerOf = (port: IngressPort) => AdmittedPorts | undefined;

/** The ports that the kernel confirmed, and what of the desired state is missing there. */
export class AppliedPorts {
  #ports: readonly IngressPort[] = [];
  #hasFailed = false;

  /** The ports of the last change that succeeded; none before the first. */
  get ports(): readonly IngressPort[] {
    return this.#ports;
  }

  /** Records that exactly these ports are in force. */
  confirm(ports: readonly IngressPort[]): void {
    this.#ports = ports;
    this.#hasFailed = false;
  }

  /** Records that the last change failed as a whole: the ports of the previous one stay in force. */
  fail(): void {
    this.#hasFailed = true;
  }

  /**
   * Returns what of each admitted request is not in force, in the order of the admissions; an empty list if all is.
   *
   * @param node this node's name, for messages
   */
  listPending(desired: DesiredState, ownerOf: OwnerOf, node: string): readonly (Pending | undefined)[] {
    if (this.#isWhole(desired)) return [];
    const inForce = new Map(this.#ports.map((port) => [portKey(port), port]));
    const problem = `node ${node} cannot apply the rules of its ports and retries; the log of its agent gives the reason`;
    return desired.admissions.admitted.map((admitted, index) => {
      const what = compare(admitted, desired.portsOfRequests[index] ?? [], inForce, ownerOf);
      if (what === undefined) return undefined;
      if (this.#hasFailed) return { what, problem };
      // Endpoints are followed all the time: a status does not wait for them.
      return what === 'endpoints' ? undefined : { what };
    });
  }

  /** Whether all desired ports are in force: the usual case, in which 10,000 ports need no keys. */
  #isWhole({ portsOfRequests }: DesiredState): boolean {
    const ports = portsOfRequests.flat();
    return ports.length === this.#ports.length && ports.every((port, index) => port === this.#ports[index]);
  }
}

function compare(
  { request, demand }: AdmittedPorts,
  wanted: readonly IngressPort[],
  inForce: ReadonlyMap<string, IngressPort>,
  ownerOf: OwnerOf,
): Pending['what'] | undefined {
  const found = wanted.map((port) => inForce.get(portKey(port)));
  if (found.every((port, index) => port === wanted[index])) return undefined;
  const owners = found.map((port) => port && ownerOf(port));
  // A port that leads to the endpoints of its previous owner is not open for this one.
  if (owners.some((owner) => owner?.request.meta.uid !== request.meta.uid)) return 'all';
  return owners.every((owner) => owner?.demand === demand) ? 'endpoints' : 'change';
}
