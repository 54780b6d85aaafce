// A separate codec, because loading the package's takes too long for an ADD: README.md.
import type { AttrStream } from 'netlink/dist/structs.js';
import type { Family } from '../../model/address.ts';
import type { PolicyRule } from '../../model/network.ts';
import { familyNumber, familyOf, pushNumber, pushText, readAttributes, readNumber, readText } from './attributes.ts';
import { flag, type NetlinkSocket } from './socket.ts';

const type = { newRule: 32, deleteRule: 33, getRule: 34 } as const;
const attribute = { incoming: 3, priority: 6, mark: 10, table: 15, mask: 16, protocol: 21 } as const;
const toTable = 1;
const protocolStatic = 4;
const headerLength = 12;

/** Returns the policy rules that match a firewall mark and lead to a table. Throws {@link NetlinkError}. */
export function listPolicyRules(socket: NetlinkSocket, family: Family): PolicyRule[] {
  return socket
    .request(type.getRule, flag.dump, (out) => writeHeader(out, family, 0))
    .flatMap(({ data }) => {
      const attributes = readAttributes(data.subarray(headerLength));
      const mark = readNumber(attributes, attribute.mark);
      const seen = familyOf(data[0]);
      // A kernel without IPv6 replies with the rules of all families.
      if (mark === undefined || seen !== family || data[7] !== toTable) return [];
      const incoming = readText(attributes, attribute.incoming);
      return [
        {
          family: seen,
          priority: readNumber(attributes, attribute.priority) ?? 0,
          mark,
          mask: readNumber(attributes, attribute.mask) ?? 0xffffffff,
          table: readNumber(attributes, attribute.table) ?? data[4] ?? 0,
          ...(incoming === undefined ? {} : { incoming }),
        },
      ];
    });
}

/** Adds a rule. Throws {@link NetlinkError} (`EEXIST`: the same rule exists). */
export function addPolicyRule(socket: NetlinkSocket, rule: PolicyRule): void {
  socket.request(type.newRule, flag.create | flag.exclusive, (out) => writeRule(out, rule));
}

/** Deletes a rule. Throws {@link NetlinkError} (`ENOENT`: it does not exist). */
export function deletePolicyRule(socket: NetlinkSocket, rule: PolicyRule): void {
  socket.request(type.deleteRule, 0, (out) => writeRule(out, rule));
}

function writeRule(out: AttrStream, rule: PolicyRule): void {
  writeHeader(out, rule.family, toTable);
  pushNumber(out, attribute.priority, rule.priority);
  pushNumber(out, attribute.mark, rule.mark);
  pushNumber(out, attribute.mask, rule.mask);
  if (rule.incoming !== undefined) pushText(out, attribute.incoming, rule.incoming);
  pushNumber(out, attribute.table, rule.table);
  out.push(attribute.protocol, Buffer.from([protocolStatic]));
}

/** `struct fib_rule_hdr`. */
function writeHeader(out: AttrStream, family: Family, action: number): void {
  const header = Buffer.alloc(headerLength);
  header[0] = familyNumber(family);
  header[7] = action;
  out.emit(header);
}
