import type { Link } from '../../base/model/network.ts';
import type { Operation } from '../model/operation.ts';

/** Length of the text of an Ethernet address. */
const ethernetAddress = 'aa:bb:cc:dd:ee:ff'.length;

/**
 * Returns why the kernel refuses to create a macvlan or to set it up, in words for an administrator, or undefined if
 * the links do not explain it (`drivers/net/macvlan.c`). Links of other namespaces are not visible.
 *
 * @param code errno of the failure
 * @param node links of the node
 * @param pod links of the pod
 */
export function explainRefusedLink(
  operation: Operation,
  code: string,
  node: readonly Link[],
  pod: readonly Link[],
): string | undefined {
  if (operation.do === 'create-link') {
    const master = node.find(({ index }) => index === operation.masterIndex);
    if (master === undefined) return undefined;
    if (code === 'EBUSY') return explainBusy(master, node);
    if (code === 'EADDRINUSE') return explainAddress(operation.mac, master);
    return code === 'EINVAL' ? explainInvalid(operation.kind.mode, master) : undefined;
  }
  if (operation.do !== 'set-link-up' || (code !== 'EBUSY' && code !== 'EADDRINUSE')) return undefined;
  const link = pod.find(({ name }) => name === operation.link);
  const master = node.find(({ index }) => index === link?.parentIndex);
  return link === undefined || master === undefined ? undefined : explainAddress(link.mac, master);
}

/** Only one program can receive the packets of an interface. */
function explainBusy({ index, name, memberOf }: Link, node: readonly Link[]): string {
  const owner = node.find((one) => memberOf !== undefined && one.index === memberOf);
  if (owner !== undefined) {
    const kind = owner.kind === undefined ? '' : `${owner.kind} `;
    return `the master ${name} is enslaved to ${kind}${owner.name}; set the master to ${owner.name} or another interface`;
  }
  const other = node.find(({ kind, parentIndex }) => kind === 'ipvlan' && parentIndex === index);
  const rival = other === undefined ? 'a bridge, bond or ipvlan' : `the ipvlan ${other.name}`;
  return `${rival} uses the master ${name}; set the master to another interface`;
}

function explainInvalid(mode: string, { name, mac }: Link): string {
  if (name === 'lo' || mac.length !== ethernetAddress) {
    return `the master ${name} is not an Ethernet interface; set the master to one`;
  }
  return mode === 'passthru'
    ? `passthru cannot coexist with other macvlans on ${name}; delete them, or use another mode or master`
    : `a macvlan in mode passthru uses the whole of ${name}; delete it, or use another master`;
}

function explainAddress(mac: string | undefined, { name, mac: own }: Link): string {
  return mac === own
    ? `the MAC address ${own} is that of ${name} itself; remove it from the configuration, or set another one`
    : `another macvlan on ${name} has the MAC address ${mac ?? ''}; set another one`;
}
