import { randomInt } from 'node:crypto';
import { connect } from 'node:net';
import type { Address, Family } from '../../base/model/address.ts';
import { isAnswerTo, mostAliases, type Reading, readAnswer } from './answer.ts';
import { type DnsResponse, readResponse, responseCodes, writeQuery } from './dns-message.ts';
import type { DnsServer } from './resolv-conf.ts';
import { UdpSender } from './udp.ts';

/** Timeout of each server in milliseconds, in the first and second round. */
const patience = [700, 1500] as const;

/** Result of a lookup for one name and family. `ttl`: seconds. */
export type Lookup =
  | { readonly kind: 'addresses'; readonly addresses: readonly Address[]; readonly ttl: number }
  | { readonly kind: 'none'; readonly reason: string; readonly ttl: number | undefined }
  | { readonly kind: 'failed'; readonly reason: string };

/** Queries DNS servers for the addresses of a name. Never rejects. */
export type LookUp = (name: string, family: Family) => Promise<Lookup>;

/**
 * A DNS client. It sends queries over UDP with random source ports and IDs, falls back to TCP if a response is
 * truncated or spoofing is suspected, and follows aliases. It tries every server twice, beginning with the one that
 * last answered.
 */
export class DnsClient {
  readonly #servers: () => readonly DnsServer[];
  readonly #udp = new UdpSender();
  #preferred: DnsServer | undefined;

  /** @param servers returns the current servers; called for every query */
  constructor(servers: () => readonly DnsServer[]) {
    this.#servers = servers;
  }

  /** Resolves a name. Never rejects. */
  async lookUp(name: string, family: Family): Promise<Lookup> {
    const seen = new Set([name]);
    let asked = name;
    let ttl = Number.POSITIVE_INFINITY;
    let aliases = 0;
    for (;;) {
      const reading = await this.#ask(asked, family);
      if (reading.kind !== 'alias')
        return reading.kind === 'addresses' ? { ...reading, ttl: Math.min(ttl, reading.ttl) } : reading;
      if (seen.has(reading.name)) {
        return { kind: 'failed', reason: `the aliases of the name lead back to ${reading.name}` };
      }
      aliases += reading.followed;
      if (aliases > mostAliases) return { kind: 'failed', reason: `more than ${mostAliases} aliases` };
      seen.add(reading.name);
      asked = reading.name;
      ttl = Math.min(ttl, reading.ttl);
    }
  }

  async #ask(name: string, family: Family): Promise<Reading> {
    let failure: Reading = { kind: 'failed', reason: 'there is no DNS server; set --resolver' };
    for (const milliseconds of patience) {
      for (const server of this.#ordered()) {
        const reading = await askServer(this.#udp, server, name, family, milliseconds);
        if (reading.kind !== 'failed') {
          this.#preferred = server;
          return reading;
        }
        failure = { kind: 'failed', reason: `${server.address}: ${reading.reason}` };
      }
    }
    return failure;
  }

  #ordered(): readonly DnsServer[] {
    const servers = this.#servers();
    const isPreferred = ({ address, port }: DnsServer): boolean =>
      address === this.#preferred?.address && port === this.#preferred.port;
    return [...servers.filter(isPreferred), ...servers.filter((server) => !isPreferred(server))];
  }
}

/** Queries one server. Never rejects. */
async function askServer(
  udp: UdpSender,
  server: DnsServer,
  name: string,
  family: Family,
  milliseconds: number,
): Promise<Reading> {
  try {
    let response = await exchange(udp, server, name, family, true, milliseconds);
    // A server without EDNS answers FORMERR (RFC 6891 §7), so retry without it.
    if (response.code === responseCodes.formatError) {
      response = await exchange(udp, server, name, family, false, milliseconds);
    }
    return readAnswer(response, name, family);
  } catch (error) {
    return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
  }
}

async function exchange(
  udp: UdpSender,
  server: DnsServer,
  name: string,
  family: Family,
  withExtension: boolean,
  milliseconds: number,
): Promise<DnsResponse> {
  const id = randomInt(65536);
  const query = writeQuery(id, name, family, withExtension);
  const read = (bytes: Buffer): DnsResponse | undefined => {
    const response = readResponse(bytes);
    return response !== undefined && isAnswerTo(response, id, name, family) ? response : undefined;
  };
  const response = await udp.ask(server, { id, message: query, read, patience: milliseconds });
  return response === 'forged' || response.isTruncated ? askByTcp(server, query, read, milliseconds) : response;
}

type Read = (bytes: Buffer) => DnsResponse | undefined;

/** Queries a server over a new TCP connection (RFC 7766). Rejects with an Error. */
function askByTcp({ address, port }: DnsServer, query: Buffer, read: Read, milliseconds: number): Promise<DnsResponse> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port });
    let received = Buffer.alloc(0);
    const timer = setTimeout(() => fail(`no answer by TCP within ${milliseconds} ms`), milliseconds);
    const end = (): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on('error', () => {});
      socket.destroy();
    };
    const fail = (reason: string): void => {
      end();
      reject(new Error(reason));
    };
    socket.on('error', (error) => fail(`TCP: ${error.message}`));
    socket.on('close', () => fail('the server closed the TCP connection without an answer'));
    socket.on('connect', () => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(query.length);
      socket.write(Buffer.concat([length, query]));
    });
    socket.on('data', (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const response = read(received.subarray(2, 2 + received.readUInt16BE(0)));
      if (response === undefined || response.isTruncated) fail('the server sent a wrong answer by TCP');
      else {
        end();
        resolve(response);
      }
    });
  });
}
