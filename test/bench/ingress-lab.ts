import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { executable } from '../lab/executable.ts';
import { Lab } from '../lab/lab.ts';
import { Manifests } from '../lab/manifests.ts';

const program = executable('ingress-agent');

/** A lab with a folder for what the contestants read, and an agent on its node. */
export class IngressLab {
  readonly lab: Lab;
  readonly folder: string;
  readonly manifests: Manifests;
  #agent: ChildProcess | undefined;

  private constructor(lab: Lab, folder: string) {
    this.lab = lab;
    this.folder = folder;
    this.manifests = new Manifests(folder);
  }

  static async up(prefix: string): Promise<IngressLab> {
    return new IngressLab(await Lab.up(prefix), mkdtempSync(join(tmpdir(), `${prefix}-`)));
  }

  /** Starts the agent on the manifests, or as told, without checks of endpoints, which the others do not do either. */
  startAgent(...more: string[]): void {
    const source = more.includes('--kubeconfig') ? [] : ['--manifests', this.manifests.directory];
    const options = [...source, '--node-name', 'node', '--check-interval', '0', ...more];
    const words = ['netns', 'exec', this.lab.netns('node'), program, ...options];
    this.#agent = spawn('ip', words, { stdio: 'ignore' });
  }

  get agentPid(): number {
    return this.#agent?.pid ?? -1;
  }

  stopAgent(): void {
    this.#agent?.kill('SIGKILL');
  }

  down(): void {
    this.stopAgent();
    this.lab.down();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
