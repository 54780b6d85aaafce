import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A target whose answer shows that a router's node is alive. */
export interface ProbeTarget {
  /** UID of the router's pod. */
  readonly uid: string;
  /** Namespace of the pod. */
  readonly namespace: string;
  readonly node: string;
  /** Address to probe. Any answer counts, including a reset. */
  readonly host: string;
  readonly port: number;
}

/** Times of a prober, in milliseconds. */
export interface ProbeTimes {
  readonly interval: number;
  /** Timeout of an answer. A closed port answers within a round trip. */
  readonly timeout: number;
}

const ordinaryTimes: ProbeTimes = { interval: 1000, timeout: 330 };

/** Consecutive unanswered probes after which a router is dead. */
const missesUntilGone = 3;

/** Milliseconds during which simultaneous answers are collected. */
const soon = 20;

/** State of a target. */
export type Presence =
  /** It never answered, so its silence means nothing: a NetworkPolicy may drop the probes. */
  'unknown' | 'answers' | 'gone';

/** Result of one probe. `unable`: this machine could not send it, which means nothing for the target. */
export type ProbeResult = 'answer' | 'silence' | 'unable';

/** A target and its observed state. */
export interface Probed {
  readonly target: ProbeTarget;
  readonly presence: Presence;
  /** Time of the last answer, and start of the probe that found it dead; monotonic milliseconds. */
  readonly answeredAt: number;
  readonly goneAt: number;
  /** Whether a probe has ended, whatever its result. */
  readonly isProbed: boolean;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/**
 * Probes routers every second, and a silent one twice more at once: a death is observed within two seconds,
 * regardless of the node's last report to the API server.
 */
export class RouterProber {
  readonly #times: ProbeTimes;
  readonly #onChange: () => void;
  readonly #probeOnce: (target: ProbeTarget, timeout: number) => Promise<ProbeResult>;
  #targets = new Map<string, Mutable<Probed>>();
  #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;

  /**
   * @param onChange called when the presence of a target has changed
   * @param probeOnce never rejects
   */
  constructor(
    onChange: () => void,
    times: ProbeTimes = ordinaryTimes,
    probeOnce: (target: ProbeTarget, timeout: number) => Promise<ProbeResult> = probeByConnecting,
  ) {
    this.#onChange = onChange;
    this.#times = times;
    this.#probeOnce = probeOnce;
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      for (const probed of this.#targets.values()) void this.#probe(probed);
    }, this.#times.interval);
  }

  close(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
    this.#targets.clear();
  }

  /** Sets the targets. The state of remaining targets is kept. */
  set(targets: readonly ProbeTarget[]): void {
    const before = this.#targets;
    this.#targets = new Map(
      targets.map((target) => {
        const known = before.get(target.uid);
        const isSame = known?.target.host === target.host && known.target.port === target.port;
        return [
          target.uid,
          isSame ? known : { target, presence: 'unknown', answeredAt: 0, goneAt: 0, isProbed: false },
        ];
      }),
    );
    // A target counts from its first answer, so it is probed as early as possible.
    if (this.#timer === undefined) return;
    for (const [uid, probed] of this.#targets) if (before.get(uid) !== probed) void this.#probe(probed);
  }

  /** Whether every target has been probed at least once. */
  get hasProbedAll(): boolean {
    return this.presences.every(({ isProbed }) => isProbed);
  }

  /** Every target and its observed state. */
  get presences(): readonly Probed[] {
    return [...this.#targets.values()];
  }

  async #probe(probed: Mutable<Probed>): Promise<void> {
    const { target } = probed;
    let begun = performance.now();
    for (let misses = 0; misses < missesUntilGone; misses++) {
      begun = performance.now();
      const came = await this.#probeOnce(target, this.#times.timeout);
      probed.isProbed = true;
      if (came === 'answer') return this.#note(probed, 'answers');
      if (came === 'unable' || probed.presence !== 'answers') return;
      // Without a route a probe fails at once, and three failures in a row may be caused by one route replacement.
      await sleep(Math.max(0, begun + this.#times.timeout - performance.now()));
    }
    // Another round may have got an answer in the meantime.
    if (probed.answeredAt < begun) this.#note(probed, 'gone', begun);
  }

  #note(probed: Mutable<Probed>, presence: Presence, at = performance.now()): void {
    const isNew = probed.presence !== presence;
    if (presence === 'answers') probed.answeredAt = at;
    else if (isNew) probed.goneAt = at;
    probed.presence = presence;
    if (this.#targets.get(probed.target.uid) !== probed) return;
    if (isNew) this.#onChange();
    else this.#tellSoon();
  }

  /**
   * Reports changes. The meaning of a dead target depends on later answers, so simultaneous answers are reported
   * together.
   */
  #tellSoon(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      if (this.presences.some(({ presence }) => presence === 'gone')) this.#onChange();
    }, soon);
  }
}

/** Errors of this machine: no descriptors, no ports, no memory, or a firewall that blocks outgoing traffic. */
const ownErrors = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL', 'EAGAIN', 'EPERM', 'EACCES']);

/** Resolves to whether a host answers a connection attempt, either way. Never rejects. */
export function probeByConnecting(
  { host, port }: Pick<ProbeTarget, 'host' | 'port'>,
  timeout: number,
): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (result: ProbeResult): void => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(timeout, () => end('silence'));
    socket.once('connect', () => end('answer'));
    socket.once('error', ({ code = '' }: NodeJS.ErrnoException) => {
      end(code === 'ECONNREFUSED' ? 'answer' : ownErrors.has(code) ? 'unable' : 'silence');
    });
    socket.once('close', () => resolve('silence'));
  });
}
