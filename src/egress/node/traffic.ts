import type { Flow } from '../../base/model/observed.ts';
import { parseDestination } from '../api/destination.ts';
import type { AttachmentState } from '../model/state.ts';

/** Maximum number of redirects with individual series; the others share one. */
const mostRedirects = 200;

/** Maximum number of destinations whose source port usage is exported. */
const mostDestinations = 10;

/** Number of source ports for translated connections. */
const sourcePortCount = 65_535 - 1024 + 1;

/** Traffic of one redirect since the last count. */
export interface RedirectTraffic {
  /** `8080/tcp`, or `other` for the fallback and for redirects without individual series. */
  readonly redirect: string;
  /** Currently tracked connections. */
  open: number;
  opened: number;
  sent: number;
  received: number;
  /** New connections that the destination rejected with a reset or never answered. */
  refused: number;
  unanswered: number;
}

/** Connections of a router at one moment. */
export interface Traffic {
  readonly redirects: readonly RedirectTraffic[];
  /** Share of source ports in use, 0–1, by destination, highest first. */
  readonly sourcePorts: readonly { readonly destination: string; readonly ratio: number }[];
}

interface Known {
  readonly sent: number;
  readonly received: number;
  readonly isRefusal: boolean;
}

/** `IPPROTO_*` of the protocol with detectable rejections. */
const tcp = 6;
const protocolNames: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' };

/**
 * Counts the traffic of a router between two reads of its connections. Connections that began and ended in between
 * are missed; TCP connections stay tracked for two minutes, so reads every half minute find them.
 */
export class TrafficCounter {
  #known = new Map<string, Known>();
  #isFirst: boolean;

  /** @param isOld the router existed before this process, so connections of the first read are not new */
  constructor(isOld: boolean) {
    this.#isFirst = isOld;
  }

  /** Processes the current connections. */
  count(state: AttachmentState, flows: readonly Flow[]): Traffic {
    const named = nameRedirects(state);
    const rows = new Map<string, RedirectTraffic>();
    const destinations = new Map<string, number>();
    const next = new Map<string, Known>();
    for (const flow of flows) {
      const row = findRow(rows, named, flow);
      row.open++;
      const target = `${flow.target.text} ${flow.targetPort}/${protocolNames[flow.protocol] ?? flow.protocol}`;
      destinations.set(target, (destinations.get(target) ?? 0) + 1);
      const key = `${flow.protocol} ${flow.source.text} ${flow.sourcePort} ${flow.destinationPort}`;
      const sent = flow.sent?.bytes ?? 0;
      const received = flow.received?.bytes ?? 0;
      const earlier = this.#known.get(key);
      // The client port may have been reused, which makes it another connection.
      const before =
        earlier !== undefined && earlier.sent <= sent && earlier.received <= received ? earlier : undefined;
      const isNew = before === undefined && !this.#isFirst;
      if (isNew) row.opened++;
      if (!this.#isFirst) {
        row.sent += sent - (before?.sent ?? 0);
        row.received += received - (before?.received ?? 0);
      }
      const isRefused = wasRefused(flow);
      const isUnanswered = !flow.answered;
      const isRefusal = isRefused || isUnanswered;
      if (isRefusal && before?.isRefusal !== true && !this.#isFirst) {
        if (isRefused) row.refused++;
        else row.unanswered++;
      }
      next.set(key, { sent, received, isRefusal });
    }
    this.#known = next;
    this.#isFirst = false;
    const sourcePorts = [...destinations]
      .sort(([, one], [, other]) => other - one)
      .slice(0, mostDestinations)
      .map(([destination, ports]) => ({ destination, ratio: ports / sourcePortCount }));
    return { redirects: [...rows.values()], sourcePorts };
  }
}

/** Returns whether a reset was the only reply: conntrack reports CLOSE, and only that one packet was received. */
function wasRefused({ protocol, tcpState, received }: Flow): boolean {
  return protocol === tcp && tcpState === 'CLOSE' && (received?.packets ?? 0) === 1;
}

/** Returns the names of redirects with individual series, by protocol, family and port. */
function nameRedirects({ router }: AttachmentState): ReadonlyMap<string, string> {
  const lines = router?.destinations.slice(0, mostRedirects) ?? [];
  return new Map(
    lines.flatMap((line) => {
      const destination = parseDestination(line);
      if (destination.kind === 'named') {
        const { protocol, port } = destination.redirect;
        return ([4, 6] as const).map((family) => [`${protocol} ${family} ${port}`, `${port}/${protocol}`] as const);
      }
      if (destination.kind !== 'redirect') return [];
      const { protocol, port, target } = destination.redirect;
      return [[`${protocol} ${target.family} ${port}`, `${port}/${protocol}`] as const];
    }),
  );
}

function findRow(rows: Map<string, RedirectTraffic>, named: ReadonlyMap<string, string>, flow: Flow): RedirectTraffic {
  const protocol = protocolNames[flow.protocol] ?? `${flow.protocol}`;
  const name = named.get(`${protocol} ${flow.destination.family} ${flow.destinationPort}`) ?? 'other';
  const known = rows.get(name);
  if (known !== undefined) return known;
  const row = { redirect: name, open: 0, opened: 0, sent: 0, received: 0, refused: 0, unanswered: 0 };
  rows.set(name, row);
  return row;
}
