/**
 * The bits of packet and connection marks that are ours: 24–28. Service meshes and kube-proxy use
 * lower ones, and the highest are left to others.
 */
export const markMask = 0x1f000000;

/** Highest number of attachments in one namespace: four bits, and zero means none. */
export const maximumSlot = 15;

const slotShift = 24;
const outwardBit = 0x10000000;

/**
 * The mark of a connection that entered by the pod interface and belongs to an attachment. Packets
 * with it return by the pod interface.
 */
export function inwardMark(slot: number): number {
  return slot << slotShift;
}

/** The mark of the few packets that the router itself sends towards the destination, such as ICMP errors. */
export function outwardMark(slot: number): number {
  return inwardMark(slot) | outwardBit;
}
