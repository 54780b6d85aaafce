import type { Amount, Flow } from '../../../model/observed.ts';
import { familyOf, readAddress, readAttributes } from './attributes.ts';
import { flag, type NetlinkReply, type NetlinkSocket } from './socket.ts';

/** `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET` */
const getConnection = 0x101;
const attribute = {
  original: 1,
  reply: 2,
  status: 3,
  protocolInfo: 4,
  timeout: 7,
  mark: 8,
  sent: 9,
  received: 10,
} as const;
const tuple = { ip: 1, protocol: 2 } as const;
const ip = { source4: 1, destination4: 2, source6: 3, destination6: 4 } as const;
const protocolPart = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
const counter = { packets: 1, bytes: 2 } as const;
const statusBit = { seenReply: 1 << 1, destinationTranslated: 1 << 5 } as const;

/** `TCP_CONNTRACK_*` of `<linux/netfilter/nf_conntrack_tcp.h>`. */
const tcpStates = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
] as const;

/** All connections with ports that the namespace tracks, with their counters. Throws {@link NetlinkError}. */
export function listFlows(socket: NetlinkSocket): Flow[] {
  return socket.request(getConnection, flag.dump, (out) => out.emit(Buffer.alloc(4))).flatMap(parseFlow);
}

function parseFlow({ data }: NetlinkReply): Flow[] {
  const attributes = readAttributes(data.subarray(4));
  const four = familyOf(data[0]) === 4;
  const original = parseTuple(attributes.get(attribute.original), four);
  const reply = parseTuple(attributes.get(attribute.reply), four);
  if (original === undefined || reply === undefined) return [];
  const status = attributes.get(attribute.status)?.readUInt32BE(0) ?? 0;
  const tcpState = parseTcpState(attributes.get(attribute.protocolInfo));
  const sent = parseAmount(attributes.get(attribute.sent));
  const received = parseAmount(attributes.get(attribute.received));
  return [
    {
      ...original,
      target: reply.source,
      targetPort: reply.sourcePort,
      seenAs: reply.destination,
      mark: attributes.get(attribute.mark)?.readUInt32BE(0) ?? 0,
      destinationTranslated: (status & statusBit.destinationTranslated) !== 0,
      answered: (status & statusBit.seenReply) !== 0,
      timeout: attributes.get(attribute.timeout)?.readUInt32BE(0) ?? 0,
      ...(tcpState !== undefined && { tcpState }),
      ...(sent !== undefined && { sent }),
      ...(received !== undefined && { received }),
    },
  ];
}

type Tuple = Pick<Flow, 'protocol' | 'source' | 'sourcePort' | 'destination' | 'destinationPort'>;

/** One direction; undefined for protocols without ports. */
function parseTuple(data: Buffer | undefined, four: boolean): Tuple | undefined {
  const parts = readAttributes(data ?? Buffer.alloc(0));
  const addresses = readAttributes(parts.get(tuple.ip) ?? Buffer.alloc(0));
  const ports = readAttributes(parts.get(tuple.protocol) ?? Buffer.alloc(0));
  const source = readAddress(addresses, four ? ip.source4 : ip.source6);
  const destination = readAddress(addresses, four ? ip.destination4 : ip.destination6);
  const protocol = ports.get(protocolPart.number)?.[0];
  const sourcePort = ports.get(protocolPart.sourcePort)?.readUInt16BE(0);
  const destinationPort = ports.get(protocolPart.destinationPort)?.readUInt16BE(0);
  if (source === undefined || destination === undefined || protocol === undefined) return undefined;
  if (sourcePort === undefined || destinationPort === undefined) return undefined;
  return { protocol, source, sourcePort, destination, destinationPort };
}

function parseTcpState(data: Buffer | undefined): string | undefined {
  if (data === undefined) return undefined;
  const info = readAttributes(data).get(1);
  const state = info === undefined ? undefined : readAttributes(info).get(1)?.[0];
  return state === undefined ? undefined : (tcpStates[state] ?? `${state}`);
}

/** Counters stay exact up to 2^53, which is nine petabytes. */
function parseAmount(data: Buffer | undefined): Amount | undefined {
  if (data === undefined) return undefined;
  const parts = readAttributes(data);
  const read = (type: number): number => Number(parts.get(type)?.readBigUInt64BE(0) ?? 0n);
  return { packets: read(counter.packets), bytes: read(counter.bytes) };
}
