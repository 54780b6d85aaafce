import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Lab } from '../lab/lab.ts';
import { makeImage } from './image.ts';

const image = 'docker.io/library/erlab-busybox:1';

/**
 * A containerd of the test's own on the lab's node: its root, state and socket are in a folder of the
 * test, its CNI configuration is laid over the machine's in a mount namespace of each call.
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
    for (const name of ['etc', 'etc-work', 'etc/cni', 'etc/cni/net.d', 'opt', 'opt/cni', 'opt/cni/bin']) {
      mkdirSync(join(folder, name));
    }
    writeFileSync(join(folder, 'etc/cni/net.d/10-test.conflist'), JSON.stringify(conflist));
    for (const [name, path] of plugins) await execa('cp', [path, join(folder, 'opt/cni/bin', name)]);
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
    // Not by `ip netns exec`, which mounts /sys anew and so hides the control groups that runc needs.
    const netns = `--net=${this.#lab.path('node')}`;
    this.#process = spawn('nsenter', [netns, 'containerd', '--config', join(folder, 'config.toml')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await this.#waitUntilReady();
    await this.ctr('image', 'import', await makeImage(folder, image));
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

  /** Runs `ctr` on the node, with the test's CNI configuration where it looks for it. Throws where it fails. */
  async ctr(...args: string[]): Promise<string> {
    const overlay = `lowerdir=/etc,upperdir=${this.#folder}/etc,workdir=${this.#folder}/etc-work`;
    // `ip netns exec` has a mount namespace of its own: nothing of this is seen outside.
    const script = `mount -t overlay none -o ${overlay} /etc && mount -o bind ${this.#folder}/opt /opt && exec ctr "$@"`;
    const shell = ['sh', '-c', script, 'ctr', '--address', this.#socket];
    const { stdout } = await execa('ip', ['netns', 'exec', this.#lab.netns('node'), ...shell, ...args]);
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

  /** Ends everything and removes the folder. */
  async stop(): Promise<void> {
    this.#process?.kill('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 300));
    // Shims outlive containerd by design.
    await execa('pkill', ['-KILL', '-f', this.#folder], { reject: false });
    const { stdout } = await execa('findmnt', ['-rno', 'TARGET'], { reject: false });
    for (const target of stdout
      .split('\n')
      .filter((line) => line.startsWith(this.#folder))
      .reverse()) {
      await execa('umount', ['-l', target], { reject: false });
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
