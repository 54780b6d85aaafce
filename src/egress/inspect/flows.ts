import type { Flow } from '../../base/model/observed.ts';
import { protocolNumbers, type Redirect } from '../../base/model/redirect.ts';
import { inwardMark, markMask } from '../plan/marks.ts';
import type { Observation } from './observation.ts';

/** The connections that this attachment redirected. */
export function flowsOf({ flows, state }: Pick<Observation, 'flows' | 'state'>): Flow[] {
  const mark = inwardMark(state.slot);
  return flows.filter((flow) => (flow.mark & markMask) === mark && flow.destinationTranslated);
}

/** What lives of one redirect now. */
export interface LiveCount {
  readonly connections: number;
  /** Both directions of the connections that live; absent where the namespace does not count. */
  readonly packets?: number;
  readonly bytes?: number;
}

const nothing: LiveCount = { connections: 0, packets: 0, bytes: 0 };

/** Sums up connections. */
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

/** By what a connection and its redirect recognise each other. */
export function flowKey(flow: Flow): string {
  return `${flow.protocol} ${flow.destination.family} ${flow.destinationPort}`;
}

/** As {@link flowKey}, of a redirect. */
export function redirectKey({ protocol, port, target }: Redirect): string {
  return `${protocolNumbers[protocol]} ${target.family} ${port}`;
}
