import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RuntimeSocket } from './socket.ts';

/** Milliseconds to wait for an answer. */
const timeout = 1000;

const mark = 'ending';

/** The HAProxy processes of other pods on this node, which serve the same ports during an update. */
export class Peers {
  readonly #own: string;
  readonly #listFolders: () => readonly string[];

  /**
   * @param own folder of this pod's HAProxy
   * @param listFolders returns the folders of the others, the preferred one first
   */
  constructor(own: string, listFolders: () => readonly string[]) {
    this.#own = own;
    this.#listFolders = listFolders;
    rmSync(join(own, mark), { force: true });
  }

  /**
   * Returns the runtime socket of a HAProxy that accepts connections and will continue to. A new HAProxy gets its
   * listening sockets from there: with sockets of its own, the kernel would reset the connections that wait in the
   * queue of the other one when that one ends.
   */
  async findSocket(): Promise<string | undefined> {
    for (const folder of this.#listFolders()) {
      const path = join(folder, 'admin.sock');
      if (!existsSync(join(folder, mark)) && (await isAccepting(path))) return path;
    }
    return undefined;
  }

  /** Tells the others that this HAProxy is about to end, so that two that end at once do not rely on each other. */
  noteEnding(): void {
    writeFileSync(join(this.#own, mark), '', { mode: 0o600 });
  }
}

async function isAccepting(path: string): Promise<boolean> {
  try {
    const socket = await RuntimeSocket.open(path, timeout);
    const [info = ''] = await socket.run(['show info']).finally(() => socket.close());
    return /^Stopping: 0$/m.test(info);
  } catch {
    return false;
  }
}
