import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import type { DaemonLog } from '../../base/daemon/log.ts';
import { formatPrefix, type Prefix } from '../../base/model/address.ts';
import { answerPatience, largestNameMessage, makeRequestSchema } from '../model/name-request.ts';
import type { NameResolver } from './resolver.ts';

/** Maximum milliseconds to wait for queries, so that the reply arrives before the plugin's timeout. */
const settleTime = answerPatience - 200;

/** Milliseconds for which the names of an ADD are kept without a state file that contains them. */
const leaseTime = 60_000;

/** Dependencies of {@link NameServer}. */
export interface NameServerParts {
  readonly resolver: NameResolver;
  readonly allowedNetworks: readonly Prefix[];
  readonly log: DaemonLog;
}

/** Answers name requests of the plugin on a Unix socket that only root can access. */
export class NameServer {
  readonly #parts: NameServerParts;
  readonly #server: Server;
  readonly #leases = new Map<string, NodeJS.Timeout>();
  readonly #connections = new Set<Socket>();

  constructor(parts: NameServerParts) {
    this.#parts = parts;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /** Starts to listen, and replaces the socket of a previous daemon. Rejects with the system's error. */
  async listen(path: string): Promise<void> {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(path, resolve);
    });
    chmodSync(path, 0o600);
  }

  close(): void {
    for (const timer of this.#leases.values()) clearTimeout(timer);
    for (const socket of this.#connections) socket.destroy();
    this.#server.close();
  }

  #serve(socket: Socket): void {
    this.#connections.add(socket);
    const chunks: Buffer[] = [];
    let total = 0;
    let isAsked = false;
    socket.setTimeout(2 * answerPatience, () => socket.destroy());
    socket.on('close', () => this.#connections.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      total += chunk.length;
      if (total > largestNameMessage) socket.destroy();
      if (isAsked) return;
      chunks.push(chunk);
      if (chunk.at(-1) !== 0x0a) return;
      isAsked = true;
      this.#answer(Buffer.concat(chunks).toString()).then(
        (reply) => socket.end(`${JSON.stringify(reply)}\n`),
        (error: unknown) => {
          this.#parts.log.warn({ err: error }, 'Failed to answer a name request');
          socket.destroy();
        },
      );
    });
  }

  async #answer(text: string): Promise<object> {
    const { resolver, allowedNetworks } = this.#parts;
    const { user, ...wish } = makeRequestSchema().parse(JSON.parse(text));
    this.#lease(`add ${user}`);
    resolver.want(`add ${user}`, wish);
    await resolver.settle(wish.names, settleTime);
    const answers = wish.names.map((name) => {
      const { addresses, problem, isSettled } = resolver.find(name);
      const reason = problem ?? (isSettled ? undefined : `no answer within ${settleTime} ms`);
      return {
        name,
        addresses: addresses.map((address) => address.text),
        ...(reason !== undefined && { problem: reason }),
      };
    });
    return { answers, allowed: allowedNetworks.map(formatPrefix) };
  }

  #lease(user: string): void {
    clearTimeout(this.#leases.get(user));
    const timer = setTimeout(() => {
      this.#leases.delete(user);
      this.#parts.resolver.release(user);
    }, leaseTime);
    this.#leases.set(user, timer);
  }
}
