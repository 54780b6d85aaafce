import { readAttributes } from './netlink/attributes.ts';
import { NetlinkSocket, netlinkFamily } from './netlink/socket.ts';

/** `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN` */
const getGeneration = 0x0a10;
/** `NFTA_GEN_ID` */
const generationAttribute = 1;

/**
 * The number that the kernel gives to the nf_tables rules of the namespace that the thread is in: with every
 * change it is another. Asking costs microseconds, listing rules milliseconds and a process. Undefined where
 * the kernel does not say.
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
