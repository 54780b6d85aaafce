import { readAttributes } from './netlink/attributes.ts';
import { NetlinkSocket, netlinkFamily } from './netlink/socket.ts';

/** `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN` */
const getGeneration = 0x0a10;
/** `NFTA_GEN_ID` */
const generationAttribute = 1;

/**
 * Returns the generation of the nf_tables rules of the current network namespace, which differs after every change.
 * Reading it takes microseconds; listing the rules takes milliseconds and a process. Undefined if the kernel does not
 * report one.
 */
export function readRuleGeneration(): number | undefined {
  const socket = new NetlinkSocket(netlinkFamily.netfilter);
  try {
    // struct nfgenmsg: any family.
    const [reply] = socket.request(getGeneration, 0, (out) => out.emit(Buffer.alloc(4)));
    return reply && readAttributes(reply.data.subarray(4)).get(generationAttribute)?.readUInt32BE(0);
  } catch {
    return undefined;
  } finally {
    socket.close();
  }
}
