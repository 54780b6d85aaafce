import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

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

/** What came of one knock; `unable`: this machine could not ask, which says nothing of the other. */
export type Knock = 'answer' | 'silence' | 'unable';

interface Probed {
  readonly target: ProbeTarget;
  presence: Presence;
}

/**
 * Knocks at routers every second, and at one that does not answer twice more at once: death is seen
 * within two seconds, whatever the node's last word to the API server was.
 */
export class RouterProber {
  readonly #times: ProbeTimes;
  readonly #onChange: () => void;
  readonly #knock: (target: ProbeTarget, timeout: number) => Promise<Knock>;
  #targets = new Map<string, Probed>();
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param onChange called when the presence of a target is another
   * @param knock never rejects
   */
  constructor(onChange: () => void, times: ProbeTimes = ordinaryTimes, knock = knockByConnecting) {
    this.#onChange = onChange;
    this.#times = times;
    this.#knock = knock;
  }

  start(): void {
    this.#timer ??= setInterval(() => {
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
        return [target.uid, isSame ? known : { target, presence: 'unknown' }];
      }),
    );
  }

  /** Every target with what is known of it. */
  get presences(): readonly { readonly target: ProbeTarget; readonly presence: Presence }[] {
    return [...this.#targets.values()];
  }

  async #probe(probed: Probed): Promise<void> {
    const { target } = probed;
    for (let misses = 0; misses < missesUntilGone; misses++) {
      const begun = performance.now();
      const came = await this.#knock(target, this.#times.timeout);
      if (came === 'answer') return this.#note(probed, 'answers');
      if (came === 'unable' || probed.presence !== 'answers') return;
      // Without a route a knock fails at once: three within a moment are one moment, in which a route is replaced.
      await sleep(Math.max(0, begun + this.#times.timeout - performance.now()));
    }
    this.#note(probed, 'gone');
  }

  #note(probed: Probed, presence: Presence): void {
    if (probed.presence === presence) return;
    probed.presence = presence;
    if (this.#targets.get(probed.target.uid) === probed) this.#onChange();
  }
}

/** Errors of our own machine: no descriptors, no ports, no memory, or a firewall that lets nothing out. */
const ownErrors = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL', 'EAGAIN', 'EPERM', 'EACCES']);

/** Whether a host says anything to an attempt to connect: an acceptance or a refusal. Never rejects. */
export function knockByConnecting({ host, port }: Pick<ProbeTarget, 'host' | 'port'>, timeout: number): Promise<Knock> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (knock: Knock): void => {
      socket.destroy();
      resolve(knock);
    };
    socket.setTimeout(timeout, () => end('silence'));
    socket.once('connect', () => end('answer'));
    socket.once('error', ({ code = '' }: NodeJS.ErrnoException) => {
      end(code === 'ECONNREFUSED' ? 'answer' : ownErrors.has(code) ? 'unable' : 'silence');
    });
    socket.once('close', () => resolve('silence'));
  });
}
