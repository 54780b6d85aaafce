import { connect } from 'node:net';
import type { Attempt } from '../inspect/observation.ts';
import type { Address } from '../model/address.ts';
import { renderEndpoint } from '../rules/endpoint.ts';

/** Milliseconds: two repetitions of a SYN. */
const patience = 3500;

/**
 * Opens a TCP connection from the namespace that the thread is in, and closes it at once without a
 * byte. The thread must stay there until the answer.
 */
export function tryTarget({ address, port }: { readonly address: Address; readonly port: number }): Promise<Attempt> {
  const began = performance.now();
  return new Promise((resolve) => {
    const socket = connect({ host: address.text, port, family: address.family });
    const end = (outcome: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ target: renderEndpoint({ address, port }), outcome, took: Math.round(performance.now() - began) });
    };
    const timer = setTimeout(() => end('ETIMEDOUT'), patience);
    socket.once('connect', () => end('connected'));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}
