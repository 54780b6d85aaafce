import type { Flow } from '../../base/model/observed.ts';
import { parseDestination } from '../api/destination.ts';
import type { AttachmentState } from '../model/state.ts';

/** Redirects of a router that have series of their own; all others are one. */
const mostRedirects = 200;

/** Destinations whose use of source ports is exported. */
const mostDestinations = 10;

/** Ports that a translated connection may have as its source. */
const sourcePortCount = 65_535 - 1024 + 1;

/** What passed by one redirect since the last look. */
export interface RedirectTraffic {
  /** `8080/tcp`, or `other` for the fallback and for redirects without series of their own. */
  readonly redirect: string;
  /** Connections that are tracked now. */
  open: number;
  opened: number;
  sent: number;
  received: number;
  /** New ones that the destination refused by a reset, and those that it never answered. */
  refused: number;
  unanswered: number;
}

/** What is seen of a router's connections at one moment. */
export interface Traffic {
  readonly redirects: readonly RedirectTraffic[];
  /** Share of source ports in use, 0–1, by destination; the fullest first. */
  readonly sourcePorts: readonly { readonly destination: string; readonly ratio: number }[];
}

interface Known {
  readonly sent: number;
  readonly received: number;
  readonly isRefusal: boolean;
}

/** `IPPROTO_*` of protocols whose refusals can be told. */
const tcp = 6;
const protocolNames: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' };

/**
 * Counts what passes by a router, from one look at its connections to the next. Those that came and went in
 * between are not seen; TCP stays tracked for two minutes, so that looks every half minute see it.
 */
export class TrafficCounter {
  #known = new Map<string, Known>();
  #isFirst: boolean;

  /** @param isOld the router was there before this process: what is there at the first look is not new */
  constructor(isOld: boolean) {
    this.#isFirst = isOld;
  }

  /** Takes in the connections as they are now. */
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
      // The same client port may have been used again: then it is another connection.
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

/** A reset as the only answer: conntrack calls it CLOSE, and nothing but that one packet came back. */
function wasRefused({ protocol, tcpState, received }: Flow): boolean {
  return protocol === tcp && tcpState === 'CLOSE' && (received?.packets ?? 0) === 1;
}

/** Names of the redirects that have series of their own, by protocol, family and port. */
function nameRedirects({ router }: AttachmentState): ReadonlyMap<string, string> {
  const lines = router?.destinations.slice(0, mostRedirects) ?? [];
  return new Map(
    lines.flatMap((line) => {
      const destination = parseDestination(line);
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
