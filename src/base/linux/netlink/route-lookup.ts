import { addressBits } from '../../model/address.ts';
import type { RouteAnswer, RouteQuestion } from '../../model/observed.ts';
import {
  familyNumber,
  littleEndian,
  pushAddress,
  pushNumber,
  readAddress,
  readAttributes,
  readNumber,
} from './attributes.ts';
import type { LinkNames } from './route.ts';
import { NetlinkError, type NetlinkSocket } from './socket.ts';

const getRoute = 26;
const attribute = { destination: 1, source: 2, incoming: 3, outgoing: 4, gateway: 5, table: 15, mark: 16 } as const;
const headerLength = 12;
const routeTypes = { unicast: 1, local: 2 } as const;
/** `RTM_F_LOOKUP_TABLE`: the reply contains the table. */
const tellTable = 0x1000;

/** Asks the kernel for the route of a packet, as `ip route get` does. Throws {@link NetlinkError}. */
export function lookUpRoute(socket: NetlinkSocket, question: RouteQuestion, names: LinkNames): RouteAnswer {
  const { family } = question.destination;
  try {
    const [reply] = socket.request(getRoute, 0, (out) => {
      const header = Buffer.alloc(headerLength);
      header[0] = familyNumber(family);
      header[1] = addressBits(family);
      header[2] = question.source === undefined ? 0 : addressBits(family);
      new DataView(header.buffer, header.byteOffset).setUint32(8, tellTable, littleEndian);
      out.emit(header);
      pushAddress(out, attribute.destination, question.destination);
      if (question.source !== undefined) pushAddress(out, attribute.source, question.source);
      if (question.incoming !== undefined) pushNumber(out, attribute.incoming, names.indexOf(question.incoming));
      pushNumber(out, attribute.mark, question.mark);
    });
    return reply === undefined ? { kind: 'none', reason: 'no answer' } : parseAnswer(reply.data, names);
  } catch (error) {
    // The kernel's error is the answer.
    if (error instanceof NetlinkError) return { kind: 'none', reason: error.code };
    throw error;
  }
}

function parseAnswer(data: Buffer, names: LinkNames): RouteAnswer {
  const attributes = readAttributes(data.subarray(headerLength));
  const outgoing = readNumber(attributes, attribute.outgoing);
  const link = outgoing === undefined ? undefined : names.nameOf(outgoing);
  const gateway = readAddress(attributes, attribute.gateway);
  const type = data[7];
  if (type !== routeTypes.unicast && type !== routeTypes.local) return { kind: 'none', reason: 'unreachable' };
  return {
    kind: type === routeTypes.local ? 'local' : 'unicast',
    table: readNumber(attributes, attribute.table) ?? data[4] ?? 0,
    ...(link !== undefined && { link }),
    ...(gateway !== undefined && { gateway }),
  };
}
