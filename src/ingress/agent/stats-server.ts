import { type DaemonServer, listen } from '../../base/daemon/http-server.ts';
import type { StatsOptions } from './stats-options.ts';

/** Milliseconds between attempts to listen, and until a failure is reported. */
const times = { retry: 50, report: 3000 };

/** The server of metrics, health checks and documents. It can be opened again. */
export class StatsServer {
  readonly #make: () => DaemonServer;
  readonly #place: StatsOptions;
  readonly #report: (problem: string | undefined) => void;
  #server: DaemonServer | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Number of the last call to {@link openSoon} or {@link close}, which ends earlier attempts. */
  #call = 0;

  constructor(make: () => DaemonServer, place: StatsOptions, report: (problem: string | undefined) => void) {
    this.#make = make;
    this.#place = place;
    this.#report = report;
  }

  /** Listens. Rejects with an Error that names the options if the port is not available. */
  async open(): Promise<void> {
    const server = this.#make();
    await listen(server, this.#place, ['--stats-address', '--stats-port']);
    this.#server = server;
  }

  /**
   * Listens as soon as the port is available. An agent of a version that cannot hand over has it until it ends, and it
   * ends only after this one has started.
   */
  openSoon(): void {
    const call = ++this.#call;
    const begun = performance.now();
    const attempt = async (): Promise<void> => {
      try {
        await this.open();
        // Closed meanwhile.
        if (call !== this.#call) this.#end();
        else this.#report(undefined);
      } catch (error) {
        if (call !== this.#call) return;
        if (performance.now() - begun > times.report) this.#report(`${(error as Error).message}; retrying`);
        this.#timer = setTimeout(() => void attempt(), times.retry);
      }
    };
    void attempt();
  }

  close(): void {
    this.#call++;
    clearTimeout(this.#timer);
    this.#end();
  }

  #end(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
    this.#server = undefined;
  }
}
