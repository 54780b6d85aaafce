import { type PortAdmissions, portKey } from '../claims/ports.ts';

/** Ports that programs on the node took from admitted Routes. */
export class LostPorts {
  /** By Route. */
  readonly #lost = new Map<string, string>();

  /** Processes a new decision. Returns a description for the administrator, or undefined if no port is lost. */
  follow(before: PortAdmissions | undefined, after: PortAdmissions): string | undefined {
    const refused = new Map(
      after.refused
        .filter(({ reason }) => reason === 'PortInUseOnNode')
        .map(({ request }) => [request.meta.uid, request] as const),
    );
    for (const { request, demand } of before?.admitted ?? []) {
      if (refused.has(request.meta.uid)) this.#lost.set(request.meta.uid, demand.ports.map(portKey).join(', '));
    }
    for (const uid of this.#lost.keys()) if (!refused.has(uid)) this.#lost.delete(uid);
    const [first, ...more] = this.#lost.values();
    const rest = more.length === 0 ? '' : ` and those of ${more.length} more`;
    return first === undefined
      ? undefined
      : `programs on the node took ports of admitted Routes: ${first}${rest}; stop the programs, or reserve the ports (--reserved-ports)`;
  }
}
