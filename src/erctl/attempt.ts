import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import type { Attempt } from '../inspect/observation.ts';
import type { Address } from '../model/address.ts';
import { renderEndpoint } from '../rules/endpoint.ts';

/** Where to connect, or to send to. */
export interface AttemptTarget {
  readonly protocol: 'tcp' | 'udp';
  readonly address: Address;
  /** 1–65535. */
  readonly port: number;
}

/** Milliseconds: two repetitions of a SYN. */
const patience = 3500;
/** Milliseconds: many services do not answer a datagram that they do not understand. */
const datagramPatience = 1000;

/**
 * Opens a TCP connection from the namespace that the thread is in and closes it at once without a
 * byte, or sends one datagram with a line break. The thread must stay there until the answer.
 */
export async function tryTarget(target: AttemptTarget): Promise<Attempt> {
  const began = performance.now();
  const outcome = await (target.protocol === 'tcp' ? tryTcp(target) : tryUdp(target));
  return { target: renderEndpoint(target), outcome, took: Math.round(performance.now() - began) };
}

function tryTcp({ address, port }: AttemptTarget): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: address.text, port, family: address.family });
    const end = (outcome: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(() => end('ETIMEDOUT'), patience);
    socket.once('connect', () => end('connected'));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}

function tryUdp({ address, port }: AttemptTarget): Promise<string> {
  return new Promise((resolve) => {
    const socket = createSocket(address.family === 4 ? 'udp4' : 'udp6');
    const end = (outcome: string): void => {
      clearTimeout(timer);
      socket.close();
      resolve(outcome);
    };
    const timer = setTimeout(() => end('no answer'), datagramPatience);
    socket.once('message', () => end('answered'));
    // Connected, so that an ICMP error is told.
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    socket.connect(port, address.text, () => socket.send('\n'));
  });
}
