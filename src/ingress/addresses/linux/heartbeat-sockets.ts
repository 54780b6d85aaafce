import { createSocket, type Socket } from 'node:dgram';
import { type Family, parseAddress } from '../../../base/model/address.ts';

/** UDP sockets on this node's addresses for heartbeats. */
export class HeartbeatSockets {
  readonly #onDatagram: (datagram: Buffer, source: string) => void;
  readonly #onProblem: (message: string) => void;
  readonly #sockets = new Map<string, { readonly socket: Socket; readonly family: Family; isBound: boolean }>();

  /** @param onProblem receives the reason why an address cannot be used; the next {@link bind} tries again */
  constructor(onDatagram: (datagram: Buffer, source: string) => void, onProblem: (message: string) => void) {
    this.#onDatagram = onDatagram;
    this.#onProblem = onProblem;
  }

  /** Opens sockets on these addresses and closes others. */
  bind(addresses: readonly string[], port: number): void {
    const wanted = new Set(addresses.map((address) => `${address} ${port}`));
    for (const key of this.#sockets.keys()) if (!wanted.has(key)) this.#close(key);
    for (const address of addresses) {
      const key = `${address} ${port}`;
      const family = parseAddress(address)?.family;
      if (family === undefined || this.#sockets.has(key)) continue;
      const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6', ...(family === 6 && { ipv6Only: true }) });
      const entry = { socket, family, isBound: false };
      this.#sockets.set(key, entry);
      socket.on('message', (datagram, peer) => this.#onDatagram(datagram, canonical(peer.address)));
      socket.on('error', (error) => {
        this.#onProblem(`Cannot use UDP ${key}: ${error.message}`);
        if (this.#sockets.get(key) === entry) this.#close(key);
      });
      socket.bind({ address, port, exclusive: true }, () => {
        entry.isBound = true;
      });
    }
  }

  /** Sends a datagram to the first address of a member that has the family of a socket. Losses are normal. */
  send(datagram: Buffer, addresses: readonly string[], port: number): void {
    for (const address of addresses) {
      const family = parseAddress(address)?.family;
      const entry = [...this.#sockets.values()].find((one) => one.isBound && one.family === family);
      if (entry === undefined) continue;
      entry.socket.send(datagram, port, address, () => {});
      return;
    }
  }

  close(): void {
    for (const key of this.#sockets.keys()) this.#close(key);
  }

  #close(key: string): void {
    const entry = this.#sockets.get(key);
    this.#sockets.delete(key);
    try {
      entry?.socket.close();
    } catch {
      // The socket was never open.
    }
  }
}

function canonical(text: string): string {
  return parseAddress(text.split('%')[0] ?? '')?.text ?? text;
}
