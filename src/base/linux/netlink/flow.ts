import type { Amount, Flow } from '../../model/observed.ts';
import { readAttributes } from './attributes.ts';
import { conntrackAttribute, conntrackType, parseTracked } from './conntrack-message.ts';
import { flag, type NetlinkReply, type NetlinkSocket } from './socket.ts';

/** `CTA_COUNTERS_*`. */
const counter = { packets: 1, bytes: 2 } as const;

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

/** Returns all tracked connections with ports and their counters. Throws {@link NetlinkError}. */
export function listFlows(socket: NetlinkSocket): Flow[] {
  return socket.request(conntrackType.get, flag.dump, (out) => out.emit(Buffer.alloc(4))).flatMap(parseFlow);
}

function parseFlow(reply: NetlinkReply): Flow[] {
  const tracked = parseTracked(reply);
  if (tracked === undefined) return [];
  const { original, reply: answer, attributes } = tracked;
  const { sourcePort, destinationPort } = original;
  if (sourcePort === undefined || destinationPort === undefined || answer.sourcePort === undefined) return [];
  const tcpState = parseTcpState(attributes.get(conntrackAttribute.protocolInfo));
  const sent = parseAmount(attributes.get(conntrackAttribute.sent));
  const received = parseAmount(attributes.get(conntrackAttribute.received));
  return [
    {
      ...original,
      sourcePort,
      destinationPort,
      target: answer.source,
      targetPort: answer.sourcePort,
      seenAs: answer.destination,
      mark: tracked.mark,
      destinationTranslated: tracked.destinationTranslated,
      answered: tracked.answered,
      timeout: attributes.get(conntrackAttribute.timeout)?.readUInt32BE(0) ?? 0,
      ...(tcpState !== undefined && { tcpState }),
      ...(sent !== undefined && { sent }),
      ...(received !== undefined && { received }),
    },
  ];
}

function parseTcpState(data: Buffer | undefined): string | undefined {
  if (data === undefined) return undefined;
  const info = readAttributes(data).get(1);
  const state = info === undefined ? undefined : readAttributes(info).get(1)?.[0];
  return state === undefined ? undefined : (tcpStates[state] ?? `${state}`);
}

/** Counters are exact up to 2^53, nine petabytes. */
function parseAmount(data: Buffer | undefined): Amount | undefined {
  if (data === undefined) return undefined;
  const parts = readAttributes(data);
  const read = (type: number): number => Number(parts.get(type)?.readBigUInt64BE(0) ?? 0n);
  return { packets: read(counter.packets), bytes: read(counter.bytes) };
}
