import type { Address } from '../../base/model/address.ts';
import type { PodView } from '../../base/model/observed.ts';
import { findUnreadiness, isUndecided, listUncertain, type PodExpectation } from './readiness.ts';

/** Discard protocol (RFC 863); an ICMP error is just as good as an answer. */
const discardPort = 9;

/** Milliseconds. */
const waits = { between: 50, longest: 1500 };

/**
 * Checks the pod's namespace. Makes the kernel probe gateways whose state is uncertain. Resolves to the
 * problems, one line each.
 *
 * @param look reads the namespace; may throw
 */
export async function probePod(expected: PodExpectation, look: () => PodView): Promise<readonly string[]> {
  let view = look();
  const uncertain = listUncertain(expected, view);
  await Promise.all(uncertain.map(stir));
  for (let waited = 0; isUndecided(uncertain, view) && waited < waits.longest; waited += waits.between) {
    // Neither this nor node:dgram is imported: the plugin is the same executable, and would load them at every start.
    await process.getBuiltinModule('node:timers/promises').setTimeout(waits.between);
    view = look();
  }
  return findUnreadiness(expected, view);
}

/** Sends an empty datagram, which makes the kernel resolve the neighbor. */
function stir({ family, text }: Address): Promise<void> {
  return new Promise((resolve) => {
    const socket = process.getBuiltinModule('node:dgram').createSocket(family === 4 ? 'udp4' : 'udp6');
    const finish = (): void => {
      socket.close();
      resolve();
    };
    // findUnreadiness reports missing routes.
    socket.once('error', finish);
    socket.send(Buffer.alloc(0), discardPort, text, finish);
  });
}
