import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { DaemonLog } from '../../base/daemon/log.ts';
import type { RunningDaemon } from '../../base/daemon/run.ts';
import { backoff } from '../../base/kubernetes/backoff.ts';
import { clearRemovalMark, hasRouters, markForRemoval } from '../linux/state/removal-mark.ts';
import { FileStateStore } from '../linux/state/state-store.ts';
import { type Installation, install, uninstall } from './install.ts';

/** Settings of the plugin's installation on a node. */
export interface InstallerSettings {
  readonly installation: Installation;
  /** Milliseconds between two checks that the plugin is still installed. */
  readonly interval: number;
  readonly uninstallsOnExit: boolean;
}

/** Milliseconds until an installation that failed is tried again, the first time. */
const firstRetry = 1000;

/** What the installer asks about routers; tests replace it. */
export interface RemovalParts {
  /** Whether a router still needs the plugin for its DEL. */
  readonly hasRouters: () => boolean;
  readonly mark: (pluginName: string) => void;
  readonly clearMark: () => void;
}

const ordinaryRemoval: RemovalParts = {
  hasRouters: () => hasRouters(new FileStateStore()),
  mark: markForRemoval,
  clearMark: clearRemovalMark,
};

/** Keeps the plugin on the node: what removes or replaces it is undone at the next look. */
export class Installer {
  readonly #settings: InstallerSettings;
  readonly #log: DaemonLog;
  readonly #removal: RemovalParts;
  #problem: string | undefined;
  #failures = 0;
  /** Both files as they were when they were found equal. */
  #right: string | undefined;

  constructor(settings: InstallerSettings, log: DaemonLog, removal: RemovalParts = ordinaryRemoval) {
    this.#settings = settings;
    this.#log = log;
    this.#removal = removal;
  }

  /** Why the plugin is not installed, or undefined if it is. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Returns whether the plugin is installed now. Logs a problem once until it changes. */
  keep(): boolean {
    const { installation } = this.#settings;
    // Comparing a hundred megabytes takes a second of CPU, so unchanged files are not compared again.
    if (this.#problem === undefined && this.#right !== undefined && this.#right === fingerprint(installation))
      return true;
    this.#right = undefined;
    try {
      if (install(installation) === 'installed') this.#log.info(installation, 'The plugin was installed');
      this.#problem = undefined;
      this.#failures = 0;
      this.#right = fingerprint(installation);
      return true;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (message !== this.#problem)
        this.#log.error({ ...installation, problem: message }, 'The plugin cannot be installed');
      this.#problem = message;
      this.#failures++;
      return false;
    }
  }

  /** Installs now and keeps looking: after a failure soon, with pauses that double up to the interval. */
  start(): RunningDaemon {
    let timer: NodeJS.Timeout | undefined;
    const look = (): void => {
      const { interval } = this.#settings;
      const pause = this.keep()
        ? interval
        : backoff(this.#failures, { first: Math.min(firstRetry, interval), last: interval });
      timer = setTimeout(look, pause);
    };
    // An earlier daemon may have meant the plugin to go.
    attempt(() => this.#removal.clearMark());
    look();
    return {
      stop: () => {
        clearTimeout(timer);
        if (this.#settings.uninstallsOnExit) this.#remove();
      },
    };
  }

  /** At once, or after the last router's DEL, which needs it. */
  #remove(): void {
    const { installation } = this.#settings;
    if (this.#removal.hasRouters()) {
      this.#removal.mark(installation.name);
      this.#log.info(installation, "The plugin stays until the last router's DEL, which removes it");
    } else uninstall(installation);
  }
}

function attempt(run: () => void): void {
  try {
    run();
  } catch {
    // The folder of states is not mounted here.
  }
}

/** Identity of a file's content: the time of its last status change cannot be forged. */
function fingerprint({ source, target, name }: Installation): string | undefined {
  try {
    return [source, join(target, name)]
      .map((path) => lstatSync(path, { bigint: true }))
      .map(({ dev, ino, size, mode, ctimeNs }) => [dev, ino, size, mode, ctimeNs].join())
      .join(' ');
  } catch {
    return undefined;
  }
}
