import { renderEndpoint } from '../../base/model/endpoint.ts';
import type { Flow } from '../../base/model/observed.ts';
import { recallRedirects } from '../api/remembered.ts';
import type { AttachmentState } from '../model/state.ts';
import { flowKey, flowsOf, keysOfNamed, redirectKey } from './flows.ts';
import type { WatchDocument } from './watch-document.ts';

/** Connections of a namespace at one moment. */
export interface Sample {
  readonly flows: readonly Flow[];
  /** Monotonic time in milliseconds. */
  readonly at: number;
}

type Row = WatchDocument['rows'][number];

/** Returns the traffic of each rule between two samples. The last bytes of connections that ended in between are lost. */
export function compareSamples(state: AttachmentState, before: Sample | undefined, after: Sample): WatchDocument {
  const seconds = before === undefined ? 0 : (after.at - before.at) / 1000;
  const known = new Map((before?.flows ?? []).map((flow) => [identify(flow), flow]));
  const flows = flowsOf({ flows: after.flows, state });
  const byKey = Map.groupBy(flows, flowKey);
  const set = state.router === undefined ? { redirects: [], fallbacks: [] } : recallRedirects(state.router);
  const { redirects, named = [], fallbackName } = set;
  const configured = new Set([...redirects.map(redirectKey), ...named.flatMap(keysOfNamed)]);
  const rest = flows.filter((flow) => !configured.has(flowKey(flow)));
  const count = (rule: string, target: string, own: readonly Flow[]): Row =>
    countRow({ rule, target }, own, known, before === undefined, seconds);
  return {
    schema: 'erctl.watch/v1',
    container: state.id.containerId,
    ...(state.pod !== undefined && { pod: `${state.pod.namespace}/${state.pod.name}` }),
    interface: state.link,
    seconds,
    rows: [
      ...redirects.map((redirect) =>
        count(
          `${redirect.port}/${redirect.protocol}`,
          renderEndpoint({ address: redirect.target, port: redirect.targetPort ?? redirect.port }),
          byKey.get(redirectKey(redirect)) ?? [],
        ),
      ),
      ...named.map((one) =>
        count(
          `${one.port}/${one.protocol}`,
          `${one.name}:${one.targetPort ?? one.port}`,
          keysOfNamed(one).flatMap((key) => byKey.get(key) ?? []),
        ),
      ),
      ...(fallbackName === undefined ? [] : [count('other', fallbackName.name, rest)]),
      ...(state.router?.fallbacks ?? []).map((target) =>
        count(
          'other',
          target.text,
          rest.filter((flow) => flow.target.family === target.family),
        ),
      ),
    ],
    counted: flows.every(({ sent }) => sent !== undefined),
  };
}

function identify(flow: Flow): string {
  return `${flow.protocol} ${flow.source.text} ${flow.sourcePort} ${flow.destination.text} ${flow.destinationPort}`;
}

function countRow(
  head: Pick<Row, 'rule' | 'target'>,
  flows: readonly Flow[],
  known: ReadonlyMap<string, Flow>,
  isFirst: boolean,
  seconds: number,
): Row {
  let opened = 0;
  let out = 0;
  let back = 0;
  for (const flow of flows) {
    const earlier = known.get(identify(flow));
    // Lower counters: the client reused its port for another connection.
    const isSame = earlier !== undefined && (earlier.sent?.bytes ?? 0) <= (flow.sent?.bytes ?? 0);
    if (!isSame) opened++;
    out += (flow.sent?.bytes ?? 0) - (isSame ? (earlier.sent?.bytes ?? 0) : 0);
    back += (flow.received?.bytes ?? 0) - (isSame ? (earlier.received?.bytes ?? 0) : 0);
  }
  const rate = (bytes: number): number => (isFirst || seconds <= 0 ? 0 : Math.max(0, bytes) / seconds);
  return {
    ...head,
    connections: flows.length,
    opened: isFirst ? 0 : opened,
    bytesOutPerSecond: rate(out),
    bytesInPerSecond: rate(back),
  };
}
