import { readFileSync, statSync } from 'node:fs';
import * as z from 'zod/mini';
import { type AddressState, stateSchema } from '../../addresses/documents.ts';

/** Milliseconds after which a state is stale. */
const longestSilence = 5000;

/** Reads `state.json` when `ingress-addresses` has replaced it. */
export class StateReader {
  readonly #path: string;
  readonly #clock: () => number;
  #version = '';
  #state: AddressState | undefined;
  #problem: string | undefined;
  #readAt = Number.NEGATIVE_INFINITY;

  /** @param clock monotonic milliseconds */
  constructor(path: string, clock: () => number = () => performance.now()) {
    this.#path = path;
    this.#clock = clock;
  }

  /** The reason why there is no current state. Undefined: there is one. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Returns the state, or undefined if the process is not running. */
  read(): AddressState | undefined {
    const now = this.#clock();
    try {
      const { ino, mtimeNs, size } = statSync(this.#path, { bigint: true });
      const version = `${ino} ${mtimeNs} ${size}`;
      if (version !== this.#version) {
        this.#version = version;
        const read = z.safeParse(stateSchema, JSON.parse(readFileSync(this.#path, 'utf8')));
        this.#state = read.success ? read.data : undefined;
        this.#problem = read.success
          ? undefined
          : `${this.#path} is invalid; update ingress-agent and ingress-addresses together`;
        // A file of an earlier process is stale.
        if (read.success && Date.now() - read.data.writtenAt < longestSilence) this.#readAt = now;
      }
    } catch {
      this.#state = undefined;
    }
    if (this.#state !== undefined && now - this.#readAt < longestSilence) return this.#state;
    if (this.#state !== undefined || this.#problem === undefined) {
      this.#problem = `ingress-addresses is not running on this node: it does not update ${this.#path}; start it`;
    }
    return undefined;
  }
}
