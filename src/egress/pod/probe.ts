import type { Address } from '../../base/model/address.ts';
import type { PodView } from '../../base/model/observed.ts';
import { findUnreadiness, isUndecided, listUncertain, type PodExpectation } from './readiness.ts';

/** RFC 863: what comes there is thrown away; where nobody listens the answer is as good. */
const discardPort = 9;

/** Milliseconds. */
const waits = { between: 50, longest: 1500 };

/**
 * Looks at the pod's namespace; where the kernel does not know whether a gateway answers, has it ask.
 * Resolves to what is wrong, a line each.
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

/** One empty datagram: before it can go, the kernel must know who the neighbour is. */
function stir({ family, text }: Address): Promise<void> {
  return new Promise((resolve) => {
    const socket = process.getBuiltinModule('node:dgram').createSocket(family === 4 ? 'udp4' : 'udp6');
    const finish = (): void => {
      socket.close();
      resolve();
    };
    // Where there is no way at all, the look says so.
    socket.once('error', finish);
    socket.send(Buffer.alloc(0), discardPort, text, finish);
  });
}
