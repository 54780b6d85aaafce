import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { DaemonLog } from '../../base/daemon/log.ts';
import type { RunningDaemon } from '../../base/daemon/run.ts';
import { type Installation, install, uninstall } from './install.ts';

/** Settings of the plugin's installation on a node. */
export interface InstallerSettings {
  readonly installation: Installation;
  /** Milliseconds between two checks that the plugin is still installed. */
  readonly interval: number;
  readonly uninstallsOnExit: boolean;
}

/** Keeps the plugin installed: a removed or replaced file is restored at the next check. */
export class Installer {
  readonly #settings: InstallerSettings;
  readonly #log: DaemonLog;
  #problem: string | undefined;
  /** Fingerprints of both files when they were last found equal. */
  #right: string | undefined;

  constructor(settings: InstallerSettings, log: DaemonLog) {
    this.#settings = settings;
    this.#log = log;
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
      this.#right = fingerprint(installation);
      return true;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (message !== this.#problem)
        this.#log.error({ ...installation, problem: message }, 'The plugin cannot be installed');
      this.#problem = message;
      return false;
    }
  }

  start(): RunningDaemon {
    this.keep();
    const timer = setInterval(() => this.keep(), this.#settings.interval);
    return {
      stop: () => {
        clearInterval(timer);
        if (this.#settings.uninstallsOnExit) uninstall(this.#settings.installation);
      },
    };
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
