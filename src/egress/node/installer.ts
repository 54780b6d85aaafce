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

/** Initial backoff after a failed installation, in milliseconds. */
const firstRetry = 1000;

/** Access to the routers and to the removal mark. Tests replace it. */
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

/** Keeps the plugin installed on the node: reinstalls it at the next check if it was removed or replaced. */
export class Installer {
  readonly #settings: InstallerSettings;
  readonly #log: DaemonLog;
  readonly #removal: RemovalParts;
  #problem: string | undefined;
  #failures = 0;
  /** Fingerprint of both files when they were last found identical. */
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
      if (install(installation) === 'installed') this.#log.info(installation, 'Installed the plugin');
      this.#problem = undefined;
      this.#failures = 0;
      this.#right = fingerprint(installation);
      return true;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (message !== this.#problem)
        this.#log.error({ ...installation, problem: message }, 'Failed to install the plugin');
      this.#problem = message;
      this.#failures++;
      return false;
    }
  }

  /** Installs the plugin and checks it periodically. Retries failures with exponential backoff up to the interval. */
  start(): RunningDaemon {
    let timer: NodeJS.Timeout | undefined;
    const look = (): void => {
      const { interval } = this.#settings;
      const pause = this.keep()
        ? interval
        : backoff(this.#failures, { first: Math.min(firstRetry, interval), last: interval });
      timer = setTimeout(look, pause);
    };
    // A previous daemon may have marked the plugin for removal.
    attempt(() => this.#removal.clearMark());
    look();
    return {
      stop: () => {
        clearTimeout(timer);
        if (this.#settings.uninstallsOnExit) this.#remove();
      },
    };
  }

  /** Removes the plugin now, or marks it for removal by the last router's DEL, which needs it. */
  #remove(): void {
    const { installation } = this.#settings;
    if (this.#removal.hasRouters()) {
      this.#removal.mark(installation.name);
      this.#log.info(installation, "Routers still need the plugin; the last router's DEL removes it");
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

/** Returns a value that changes with the content of either file, because the status change time cannot be forged. */
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
