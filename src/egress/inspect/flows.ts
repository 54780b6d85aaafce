import type { Flow } from '../../base/model/observed.ts';
import { type NamedRedirect, protocolNumbers, type Redirect } from '../../base/model/redirect.ts';
import { inwardMark, markMask } from '../plan/marks.ts';
import type { Observation } from './observation.ts';

/** Returns the connections that this attachment redirected. */
export function flowsOf({ flows, state }: Pick<Observation, 'flows' | 'state'>): Flow[] {
  const mark = inwardMark(state.slot);
  return flows.filter((flow) => (flow.mark & markMask) === mark && flow.destinationTranslated);
}

/** Live connections of one redirect. */
export interface LiveCount {
  readonly connections: number;
  /** Both directions together; absent when connection accounting is off. */
  readonly packets?: number;
  readonly bytes?: number;
}

const nothing: LiveCount = { connections: 0, packets: 0, bytes: 0 };

/** Sums the counters of connections. */
export function countFlows(flows: readonly Flow[]): LiveCount {
  return flows.reduce<LiveCount>((sum, { sent, received }) => {
    const connections = sum.connections + 1;
    if (sent === undefined || received === undefined || sum.packets === undefined) return { connections };
    return {
      connections,
      packets: sum.packets + sent.packets + received.packets,
      bytes: (sum.bytes ?? 0) + sent.bytes + received.bytes,
    };
  }, nothing);
}

/** Returns the key that a connection shares with its redirect. */
export function flowKey(flow: Flow): string {
  return `${flow.protocol} ${flow.destination.family} ${flow.destinationPort}`;
}

/** Returns the {@link flowKey} of a redirect's connections. */
export function redirectKey({ protocol, port, target }: Redirect): string {
  return `${protocolNumbers[protocol]} ${target.family} ${port}`;
}

/** Returns the {@link flowKey}s of a name's connections, of both families. */
export function keysOfNamed({ protocol, port }: NamedRedirect): string[] {
  return ([4, 6] as const).map((family) => redirectKey({ protocol, port, target: { family, text: '' } }));
}
