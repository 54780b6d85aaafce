import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server } from 'node:net';

/** How a name is answered. */
export interface DnsAnswer {
  readonly a?: readonly string[];
  /** Sixteen bytes each, as hexadecimal digits. */
  readonly aaaa?: readonly string[];
  readonly cname?: string;
  /** Seconds; default 1. */
  readonly ttl?: number;
  /** Response code; default 0. */
  readonly code?: number;
  /** Answers nothing. */
  readonly isSilent?: true;
  /** Cuts off the answer by UDP, so that TCP is needed. */
  readonly isTruncated?: true;
  /** Sends `count` wrong answers with another address before the right one. */
  readonly forged?: { readonly count: number; readonly address: string; readonly by: 'id' | 'name' };
  /** Answers records of other names, too, as a poisoner does. */
  readonly also?: { readonly name: string; readonly address: string };
}

const types = { a: 1, cname: 5, aaaa: 28 } as const;

/** A DNS server of tests: gives configured answers, and counts queries. */
export class TestDns {
  /** By name in lower case; a name without an entry does not exist. */
  readonly names = new Map<string, DnsAnswer>();
  /** `NAME TYPE`, in order. */
  readonly queries: string[] = [];
  readonly sourcePorts = new Set<number>();
  readonly ids = new Set<number>();
  tcpQueries = 0;
  readonly #udp: UdpSocket;
  readonly #tcp: Server;

  constructor() {
    // The address is resolved at once, so that the socket belongs to the namespace of the caller.
    this.#udp = createSocket({ type: 'udp4', lookup: (host, _, done) => done(null, host, 4) });
    this.#udp.on('message', (query, { port, address }) => {
      this.sourcePorts.add(port);
      for (const reply of this.#reply(query, true)) this.#udp.send(reply, port, address);
    });
    this.#tcp = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (bytes: Buffer) => {
        this.tcpQueries++;
        for (const reply of this.#reply(bytes.subarray(2), false)) {
          const length = Buffer.alloc(2);
          length.writeUInt16BE(reply.length);
          socket.write(Buffer.concat([length, reply]));
        }
      });
    });
  }

  /** Listens on every address of the current namespace. */
  start(port: number): Promise<void> {
    const bound = new Promise<void>((resolve, reject) => {
      this.#udp.once('error', reject);
      this.#udp.bind(port, resolve);
    });
    const listening = new Promise<void>((resolve, reject) => {
      this.#tcp.once('error', reject);
      this.#tcp.listen(port, resolve);
    });
    return Promise.all([bound, listening]).then(() => undefined);
  }

  stop(): void {
    this.#udp.close();
    this.#tcp.close();
  }

  /** Queries for a name so far. */
  count(name: string): number {
    return this.queries.filter((query) => query.startsWith(`${name} `)).length;
  }

  #reply(query: Buffer, isUdp: boolean): Buffer[] {
    const id = query.readUInt16BE(0);
    this.ids.add(id);
    const { name, end } = readName(query, 12);
    const type = query.readUInt16BE(end);
    this.queries.push(`${name} ${type === types.a ? 'A' : type === types.aaaa ? 'AAAA' : type}`);
    const answer = this.names.get(name);
    if (answer?.isSilent === true) return [];
    const question = query.subarray(12, end + 4);
    const forged = Array.from({ length: isUdp ? (answer?.forged?.count ?? 0) : 0 }, () => {
      const { address = '', by = 'id' } = answer?.forged ?? {};
      const wrongQuestion = Buffer.concat([writeName('other.example'), question.subarray(-4)]);
      const records = [writeRecord(by === 'id' ? name : 'other.example', types.a, 60, writeIpv4(address))];
      return write(by === 'id' ? (id + 1) & 0xffff : id, 0, false, by === 'id' ? question : wrongQuestion, records);
    });
    return [
      ...forged,
      write(
        id,
        answer === undefined ? 3 : (answer.code ?? 0),
        isUdp && answer?.isTruncated === true,
        question,
        this.#records(name, type, answer),
      ),
    ];
  }

  /** Follows aliases that this server knows, as a recursive server does. */
  #records(name: string, type: number, answer: DnsAnswer | undefined): Buffer[] {
    const records: Buffer[] = [];
    let owner = name;
    let current = answer;
    for (let steps = 0; current?.cname !== undefined && steps < 20; steps++) {
      records.push(writeRecord(owner, types.cname, current.ttl ?? 1, writeName(current.cname)));
      owner = current.cname;
      current = this.names.get(owner);
    }
    const ttl = current?.ttl ?? 1;
    if (type === types.a)
      for (const one of current?.a ?? []) records.push(writeRecord(owner, type, ttl, writeIpv4(one)));
    if (type === types.aaaa)
      for (const one of current?.aaaa ?? []) records.push(writeRecord(owner, type, ttl, Buffer.from(one, 'hex')));
    if (answer?.also !== undefined)
      records.push(writeRecord(answer.also.name, types.a, ttl, writeIpv4(answer.also.address)));
    return records;
  }
}

function write(id: number, code: number, isTruncated: boolean, question: Buffer, records: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(id, 0);
  head.writeUInt16BE(0x8180 | (isTruncated ? 0x0200 : 0) | code, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(isTruncated ? 0 : records.length, 6);
  return Buffer.concat([head, question, ...(isTruncated ? [] : records)]);
}

function writeRecord(owner: string, type: number, ttl: number, data: Buffer): Buffer {
  const fields = Buffer.alloc(10);
  fields.writeUInt16BE(type, 0);
  fields.writeUInt16BE(1, 2);
  fields.writeUInt32BE(ttl, 4);
  fields.writeUInt16BE(data.length, 8);
  return Buffer.concat([writeName(owner), fields, data]);
}

function writeName(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)]));
  return Buffer.concat([...labels, Buffer.of(0)]);
}

function writeIpv4(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number));
}

function readName(query: Buffer, start: number): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = start;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 };
}
