import { connect } from 'node:net';

/** A place whose answer shows that a router's node lives. */
export interface ProbeTarget {
  /** UID of the router's pod. */
  readonly uid: string;
  /** Namespace of the pod. */
  readonly namespace: string;
  readonly node: string;
  /** Where to knock: any answer counts, a refusal first of all. */
  readonly host: string;
  readonly port: number;
}

/** Times of a prober, in milliseconds. */
export interface ProbeTimes {
  readonly interval: number;
  /** For an answer; a closed port answers within a round trip. */
  readonly timeout: number;
}

const ordinaryTimes: ProbeTimes = { interval: 1000, timeout: 330 };

/** So many probes in a row without an answer, and a router is gone. */
const missesUntilGone = 3;

/** What is known of a target. */
export type Presence =
  /** It never answered: nothing can be told by its silence (a NetworkPolicy may drop what we send). */
  'unknown' | 'answers' | 'gone';

/** A target with what is known of it. */
export interface Probed {
  readonly target: ProbeTarget;
  readonly presence: Presence;
  /** When it last answered, and when that it does not was seen; milliseconds of a clock that only goes forward. */
  readonly answeredAt: number;
  readonly goneAt: number;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/**
 * Knocks at routers every second, and at one that does not answer twice more at once: death is seen
 * within two seconds, whatever the node's last word to the API server was.
 */
export class RouterProber {
  readonly #times: ProbeTimes;
  readonly #onChange: () => void;
  readonly #knock: (target: ProbeTarget, timeout: number) => Promise<boolean>;
  #targets = new Map<string, Mutable<Probed>>();
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param onChange called when the presence of a target is another
   * @param knock resolves to whether there was an answer; never rejects
   */
  constructor(onChange: () => void, times: ProbeTimes = ordinaryTimes, knock = knockByConnecting) {
    this.#onChange = onChange;
    this.#times = times;
    this.#knock = knock;
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      // Whether one that is gone is so alone follows from what the others say later.
      if (this.presences.some(({ presence }) => presence === 'gone')) this.#onChange();
      for (const probed of this.#targets.values()) void this.#probe(probed);
    }, this.#times.interval);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#targets.clear();
  }

  /** Which targets there are now; what is known of those that stay, stays. */
  set(targets: readonly ProbeTarget[]): void {
    const before = this.#targets;
    this.#targets = new Map(
      targets.map((target) => {
        const known = before.get(target.uid);
        const isSame = known?.target.host === target.host && known.target.port === target.port;
        return [target.uid, isSame ? known : { target, presence: 'unknown', answeredAt: 0, goneAt: 0 }];
      }),
    );
  }

  /** Every target with what is known of it. */
  get presences(): readonly Probed[] {
    return [...this.#targets.values()];
  }

  async #probe(probed: Mutable<Probed>): Promise<void> {
    const { target } = probed;
    for (let misses = 0; misses < missesUntilGone; misses++) {
      if (await this.#knock(target, this.#times.timeout)) return this.#note(probed, 'answers');
      if (probed.presence !== 'answers') return;
    }
    this.#note(probed, 'gone');
  }

  #note(probed: Mutable<Probed>, presence: Presence): void {
    if (presence === 'answers') probed.answeredAt = performance.now();
    if (probed.presence === presence) return;
    if (presence === 'gone') probed.goneAt = performance.now();
    probed.presence = presence;
    if (this.#targets.get(probed.target.uid) === probed) this.#onChange();
  }
}

/** Whether a host says anything to an attempt to connect: an acceptance or a refusal. */
export function knockByConnecting(
  { host, port }: Pick<ProbeTarget, 'host' | 'port'>,
  timeout: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (isAnswer: boolean): void => {
      socket.destroy();
      resolve(isAnswer);
    };
    socket.setTimeout(timeout, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code === 'ECONNREFUSED'));
    socket.once('close', () => resolve(false));
  });
}
