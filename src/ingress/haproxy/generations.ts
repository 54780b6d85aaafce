import { readFile } from 'node:fs/promises';
import { accuse, findFault, listSuspects, readAlerts } from './culprit.ts';
import type { Disk } from './disk.ts';
import { allEntriesInTurns } from './entries.ts';
import { type Files, renderConfiguration, renderFiles } from './files.ts';
import type { Loopback } from './frontend-parts.ts';
import type { Place } from './global.ts';
import { freshLayout, type InForce } from './layout.ts';
import type { Maps } from './maps.ts';
import { rememberMain, rememberShards } from './memory.ts';
import type { HttpState } from './model.ts';
import type { HaproxyProcess } from './process.ts';
import type { EngineOptions } from './report.ts';
import { allShards } from './shards.ts';
import { type Refusal, siftState } from './sift.ts';

/** A generation that HAProxy accepts. */
interface Prepared {
  readonly inForce: InForce;
  readonly refused: readonly Refusal[];
  /** Entries of its maps. */
  readonly maps: Maps;
}

/** Renders the files for a new HAProxy and finds the parts that it rejects. */
export class Generations {
  readonly #options: EngineOptions;
  readonly #disk: Disk;
  readonly #process: HaproxyProcess;
  readonly #tell: (problem: string) => void;
  /** Names of headers with rules in the last configuration. */
  #headers: ReadonlySet<string> = new Set();
  /** Parts that HAProxy has rejected. */
  readonly banned = new Map<object, Refusal>();

  constructor(options: EngineOptions, disk: Disk, process: HaproxyProcess, tell: (problem: string) => void) {
    this.#options = options;
    this.#disk = disk;
    this.#process = process;
    this.#tell = tell;
  }

  /**
   * Writes the files of a generation that HAProxy accepts, without the parts that it rejects. Returns undefined if
   * the settings are at fault.
   *
   * @param checks whether HAProxy checks the files, so that parts that it rejects are found
   */
  async prepare(wanted: HttpState, generation: string, checks: boolean): Promise<Prepared | undefined> {
    const living = new Set<object>(listSuspects(wanted).map(({ part }) => part));
    for (const part of this.banned.keys()) if (!living.has(part)) this.banned.delete(part);
    for (let round = 0; round < 50; round++) {
      const { state, refused } = siftState(wanted, this.banned);
      const { inForce, files, maps } = await this.#render(state, generation);
      await this.#disk.create(generation, files);
      const output = checks ? await this.#process.check(this.#disk.path(generation, 'conf')) : undefined;
      if (output === undefined) {
        this.#headers = inForce.layout.editedHeaders;
        return { inForce, refused, maps };
      }
      const alerts = readAlerts(output);
      const accused = accuse(alerts, files, state);
      if (accused.size === 0) {
        const trial = `${generation}-trial`;
        const passes = async (part: HttpState): Promise<boolean> => {
          await this.#disk.create(trial, (await this.#render(part, trial)).files);
          return (await this.#process.check(this.#disk.path(trial, 'conf'))) === undefined;
        };
        const culprit = await findFault(state, passes).finally(async () => await this.#disk.remove(trial));
        if (culprit === undefined) {
          this.#tell(`HAProxy rejects the settings: ${alerts.join('; ').slice(0, 1000) || output.slice(0, 1000)}`);
          return undefined;
        }
        accused.set(culprit.part, { ...culprit.refusal, reason: alerts.join('; ').slice(0, 500) });
      }
      for (const [part, refusal] of accused) this.banned.set(part, refusal);
    }
    this.#tell('HAProxy rejects the configuration for several reasons; giving up on this change');
    return undefined;
  }

  /**
   * Writes the state of a generation, which the next supervisor needs, but not HAProxy. The main file is the last one,
   * because without it no supervisor trusts the others.
   */
  async remember(inForce: InForce, generation: string): Promise<void> {
    await this.#disk.update(generation, rememberShards(inForce, allShards));
    await this.#disk.update(generation, rememberMain(inForce));
  }

  /**
   * Returns whether a generation is identical to what this version would write: another version may use other rules.
   */
  async isOurs(inForce: InForce, generation: string): Promise<boolean> {
    const files = renderConfiguration(inForce, this.#place(generation), this.#loopback(), generation);
    for (const [path, content] of files) {
      const written = await readFile(this.#disk.path(generation, path), 'utf8').catch(() => undefined);
      if (written !== content) return false;
    }
    this.#headers = inForce.layout.editedHeaders;
    return true;
  }

  async #render(
    state: HttpState,
    generation: string,
  ): Promise<{ readonly inForce: InForce; readonly files: Files; readonly maps: Maps }> {
    const inForce: InForce = { state, layout: freshLayout(state, this.#headers) };
    const maps = await allEntriesInTurns(inForce);
    const files = renderFiles(inForce, maps, this.#place(generation), this.#loopback(), generation);
    return { inForce, files, maps };
  }

  #place(generation: string): Place {
    const { user, group, hardStopAfter } = this.#options;
    return {
      folder: this.#disk.path(generation),
      adminSocket: this.#disk.path('admin.sock'),
      ...(user === undefined ? {} : { user, jail: this.#disk.path('jail') }),
      ...(group === undefined ? {} : { group }),
      ...(hardStopAfter === undefined ? {} : { hardStopAfter }),
    };
  }

  #loopback(): Loopback {
    const { user } = this.#options;
    const jail = this.#disk.path('jail');
    return {
      bind: (name) => `unix@${jail}/${name}.sock${user === undefined ? '' : ` user ${user}`} mode 600`,
      health: `unix@${this.#disk.path('health.sock')} mode 600`,
      connect: (name) => `unix@${user === undefined ? jail : ''}/${name}.sock`,
    };
  }
}
