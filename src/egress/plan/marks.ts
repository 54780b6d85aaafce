/** Bits 24–28 of packet and connection marks. Service meshes and kube-proxy use lower bits. */
export const markMask = 0x1f000000;

/** Maximum number of attachments in one namespace: four bits, where zero means none. */
export const maximumSlot = 15;

const slotShift = 24;
const outwardBit = 0x10000000;

/** Returns the mark of an attachment's connections from the pod interface. Marked packets return through it. */
export function inwardMark(slot: number): number {
  return slot << slotShift;
}

/** Returns the mark of packets that the router itself sends to the destination, such as ICMP errors. */
export function outwardMark(slot: number): number {
  return inwardMark(slot) | outwardBit;
}
