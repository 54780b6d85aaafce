import { type AdmittedPorts, portKey } from '../claims/ports.ts';
import type { Pending } from '../intent/plane.ts';
import type { DesiredState } from './endpoint-quota.ts';
import type { IngressPort } from './model.ts';

/** Returns the admitted request for which an {@link IngressPort} was computed. */
export type OwnerOf = (port: IngressPort) => AdmittedPorts | undefined;

/** Tracks the ports that are applied in the kernel and compares them with the desired state. */
export class AppliedPorts {
  #ports: readonly IngressPort[] = [];
  #hasFailed = false;

  /** The ports of the last successful change; none before the first. */
  get ports(): readonly IngressPort[] {
    return this.#ports;
  }

  /** Records that exactly these ports are applied. */
  confirm(ports: readonly IngressPort[]): void {
    this.#ports = ports;
    this.#hasFailed = false;
  }

  /** Records that another agent may change the ports, so that none is known to be applied. */
  forget(): void {
    this.#ports = [];
    this.#hasFailed = false;
  }

  /** Records that the last change failed as a whole, so that the previous ports stay active. */
  fail(): void {
    this.#hasFailed = true;
  }

  /**
   * Returns the unapplied part of each admitted request, in the order of the admissions, or an empty list if everything
   * is applied.
   *
   * @param node name of this node, for messages
   */
  listPending(desired: DesiredState, ownerOf: OwnerOf, node: string): readonly (Pending | undefined)[] {
    if (this.#isWhole(desired)) return [];
    const inForce = new Map(this.#ports.map((port) => [portKey(port), port]));
    const problem = `node ${node} cannot apply the rules of its ports and retries; the log of its agent gives the reason`;
    return desired.admissions.admitted.map((admitted, index) => {
      const what = compare(admitted, desired.portsOfRequests[index] ?? [], inForce, ownerOf);
      if (what === undefined) return undefined;
      if (this.#hasFailed) return { what, problem };
      // Endpoints change frequently, so the status does not report them as pending.
      return what === 'endpoints' ? undefined : { what };
    });
  }

  /** Whether all desired ports are applied. This common case avoids computing keys of up to 10,000 ports. */
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
  // A port that leads to the endpoints of its previous owner is not open for the new one.
  if (owners.some((owner) => owner?.request.meta.uid !== request.meta.uid)) return 'all';
  return owners.every((owner) => owner?.demand === demand) ? 'endpoints' : 'change';
}
