import type { Traffic } from './traffic.ts';

/** Shares of the source ports towards one destination at which to warn, and below which to arm the warning again. */
const limits = { warn: 0.8, calm: 0.6 } as const;

/** Finds destinations of one router whose source ports are nearly exhausted, so that new connections will soon fail. */
export class SourcePortWarnings {
  readonly #warned = new Set<string>();

  /** Returns a message for each destination that crossed the limit since the last call. */
  find(sourcePorts: Traffic['sourcePorts']): readonly string[] {
    const byDestination = new Map(sourcePorts.map(({ destination, ratio }) => [destination, ratio]));
    for (const destination of this.#warned) {
      if ((byDestination.get(destination) ?? 0) < limits.calm) this.#warned.delete(destination);
    }
    return sourcePorts.flatMap(({ destination, ratio }) => {
      if (ratio < limits.warn || this.#warned.has(destination)) return [];
      this.#warned.add(destination);
      const share = `${Math.floor(ratio * 100)} %`;
      return [
        `connections to ${destination} use ${share} of the router's source ports; at 100 % new ones fail: ` +
          'add addresses to spec.addresses, so that a pool of routers shares them',
      ];
    });
  }
}
