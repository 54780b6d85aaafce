import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { DaemonLog } from '../../base/daemon/log.ts';
import type { RunningDaemon } from '../../base/daemon/run.ts';
import { type Installation, install, uninstall } from './install.ts';

/** How the plugin is kept on a node. */
export interface InstallerSettings {
  readonly installation: Installation;
  /** Milliseconds between two checks that the plugin is still installed. */
  readonly interval: number;
  readonly uninstallsOnExit: boolean;
}

/** Keeps the plugin on the node: what removes or replaces it is undone at the next look. */
export class Installer {
  readonly #settings: InstallerSettings;
  readonly #log: DaemonLog;
  #problem: string | undefined;
  /** Both files as they were when they were found equal. */
  #right: string | undefined;

  constructor(settings: InstallerSettings, log: DaemonLog) {
    this.#settings = settings;
    this.#log = log;
  }

  /** Why the plugin is not in its place; undefined when it is. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Returns whether the plugin is installed now. Logs a problem once until it changes. */
  keep(): boolean {
    const { installation } = this.#settings;
    // To compare a hundred megabytes takes a second of a core: what was right and was not touched is right.
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
