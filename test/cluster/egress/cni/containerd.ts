import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Lab } from '../../../lab/lab.ts';
import { makeImage } from './image.ts';

const image = 'docker.io/library/erlab-busybox:1';

const living = new Set<PrivateContainerd>();
process.once('exit', () => {
  for (const containerd of living) containerd.kill();
});

/**
 * A containerd of the test's own on the lab's node: its root, state and socket are in a folder of the
 * test, and its CNI configuration and plugins are laid over the machine's in a mount namespace. It is
 * the first process of a process namespace, too: with it go shims and containers, which otherwise
 * outlive it by design, and all mounts.
 */
export class PrivateContainerd {
  readonly #lab: Lab;
  readonly #folder: string;
  readonly #running = new Map<string, Promise<string>>();
  #process: ChildProcess | undefined;

  private constructor(lab: Lab, folder: string) {
    this.#lab = lab;
    this.#folder = folder;
  }

  /**
   * Starts containerd and imports the image. `plugins` are copied where `ctr` looks for CNI plugins:
   * name and path; `conflist` is the one network there is.
   */
  static async start(lab: Lab, plugins: ReadonlyMap<string, string>, conflist: unknown): Promise<PrivateContainerd> {
    const containerd = new PrivateContainerd(lab, mkdtempSync(join(tmpdir(), 'erct-')));
    living.add(containerd);
    try {
      await containerd.#prepare(plugins, conflist);
      return containerd;
    } catch (error) {
      await containerd.stop();
      throw error;
    }
  }

  async #prepare(plugins: ReadonlyMap<string, string>, conflist: unknown): Promise<void> {
    const folder = this.#folder;
    for (const name of ['etc/cni/net.d', 'etc-work', 'opt/cni/bin']) mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, 'etc/cni/net.d/10-test.conflist'), JSON.stringify(conflist));
    for (const [name, path] of plugins) copyFileSync(path, join(folder, 'opt/cni/bin', name));
    const config = `version = 2
root = "${folder}/root"
state = "${folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "${folder}/containerd.sock"
[debug]
  level = "error"
`;
    writeFileSync(join(folder, 'config.toml'), config);
    this.#launch();
    await this.#waitUntilReady();
    await this.ctr('image', 'import', await makeImage(folder, image));
  }

  #launch(): void {
    const folder = this.#folder;
    const overlay = `lowerdir=/etc,upperdir=${folder}/etc,workdir=${folder}/etc-work`;
    const script = [
      `mount -t overlay none -o ${overlay} /etc`,
      `mount -o bind ${folder}/opt /opt`,
      // Sockets of shims and pipes of containers, for which there is no setting.
      'mkdir -p /run/containerd',
      'mount -t tmpfs none /run/containerd',
      `exec containerd --config ${folder}/config.toml`,
    ].join(' && ');
    const alone = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
    // Not with `ip netns exec`, which remounts /sys and hides the control groups that runc needs.
    // The signal of the parent's death: not even a killed test leaves anything running.
    const args = ['--pdeathsig', 'KILL', 'nsenter', `--net=${this.#lab.path('node')}`, ...alone, 'sh', '-c', script];
    this.#process = spawn('setpriv', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  async #waitUntilReady(): Promise<void> {
    let said = '';
    this.#process?.stderr?.on('data', (data: Buffer) => {
      said += data.toString();
    });
    for (let attempt = 0; attempt < 100; attempt++) {
      const { exitCode } = await execa('ctr', ['--address', this.#socket, 'version'], { reject: false });
      if (exitCode === 0) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`containerd did not start: ${said}`);
  }

  get #socket(): string {
    return join(this.#folder, 'containerd.sock');
  }

  /** Runs `ctr` where containerd runs, which is where it finds the test's CNI configuration. Throws where it fails. */
  async ctr(...args: string[]): Promise<string> {
    const of = `/proc/${this.#process?.pid}/ns`;
    const places = [`--net=${of}/net`, `--mount=${of}/mnt`, `--pid=${of}/pid_for_children`];
    const { stdout } = await execa('nsenter', [...places, 'ctr', '--address', this.#socket, ...args]);
    return stdout;
  }

  /**
   * Starts a container on the test's network. In the foreground, since that is the only way in which
   * `ctr` calls the plugins' DEL at its end; by then the namespace is gone.
   */
  async run(name: string): Promise<void> {
    const running = this.ctr('run', '--rm', '--cni', image, name);
    this.#running.set(name, running);
    for (let attempt = 0; attempt < 100; attempt++) {
      const tasks = await Promise.race([running, this.ctr('task', 'list')]);
      if (new RegExp(`^${name} .*RUNNING`, 'm').test(tasks)) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`${name} did not start`);
  }

  /** Runs busybox in a container and returns what it printed. */
  exec(name: string, ...args: string[]): Promise<string> {
    return this.ctr('task', 'exec', '--exec-id', `x${Date.now()}`, name, '/bin/busybox', ...args);
  }

  /** Ends a container, and waits until `ctr` has called the plugins' DEL. */
  async remove(name: string): Promise<void> {
    await this.ctr('task', 'kill', '--signal', 'SIGKILL', name);
    await this.#running.get(name)?.catch(() => '');
    this.#running.delete(name);
  }

  /** Ends everything, containers that a failed test left first, and removes the folder. */
  async stop(): Promise<void> {
    for (const name of this.#running.keys()) await this.remove(name).catch(() => {});
    const ended = this.#process?.exitCode === null ? once(this.#process, 'exit') : undefined;
    this.#process?.kill('SIGKILL');
    await ended;
    this.kill();
  }

  /** As {@link stop}, at once. */
  kill(): void {
    this.#process?.kill('SIGKILL');
    // The last of them may still be writing.
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
    living.delete(this);
  }
}
