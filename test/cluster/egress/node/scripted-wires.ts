import type { AddressRival, AttachmentState } from '../../../../src/egress/model/state.ts';
import type { WireClaim, Wires } from '../../../../src/egress/node/wires-api.ts';

/** Wires that say what a test says: gateways that answer, and no rival, unless it says otherwise. */
export class ScriptedWires implements Wires {
  silence = 0;
  claims: AddressRival[] = [];
  #states: readonly AttachmentState[] = [];
  retain = (states: readonly AttachmentState[]): void => {
    this.#states = states;
  };
  turn = (): readonly WireClaim[] =>
    this.claims.splice(0).flatMap((rival) => this.#states.map((one) => ({ state: one, rival })));
  quietFor = (): number => this.silence;
  macOf = (): undefined => undefined;
  close = () => undefined;
}
