import { forgetConnection } from '../../../base/linux/conntrack-session.ts';
import { listAddresses } from '../../../base/linux/netlink/address.ts';
import { type Connection, listConnectionsInSteps, type Marked } from '../../../base/linux/netlink/conntrack.ts';
import { NetlinkError, NetlinkSocket, netlinkFamily } from '../../../base/linux/netlink/socket.ts';
import type { AddressRange } from '../../../base/model/address-range.ts';
import { type Protocol, protocolNumbers } from '../../../base/model/redirect.ts';
import type { IngressPort, WeightedEndpoint } from '../model.ts';
import { numberKeyOf } from '../port-number-key.ts';
import { ingressMark, ingressMarkMask } from '../rules/marks.ts';
import { judgeConnections, openPortFinder } from '../rules/stale.ts';

const protocolsByNumber = new Map<number, Protocol>(
  Object.entries(protocolNumbers).map(([name, number]) => [number, name as Protocol]),
);

/** Settings of the cleanup. */
interface CleanupSettings {
  /** The agent's name, which marks its connections. */
  readonly name: string;
  /** Milliseconds that an established connection to a removed endpoint may continue. */
  readonly drainTime: number;
  /** Whether clients that are removed from an allow-list lose their connections. */
  readonly isStrict?: boolean;
}

/**
 * Deletes tracked connections without an endpoint. Each run checks all connections of the agent, so no history is
 * needed and a restart changes nothing. It works in steps, so that a node with very many connections does not delay
 * other work.
 *
 * The sockets belong to the network namespace in which the object was created.
 */
export class ConntrackCleanup {
  readonly #conntrack = new NetlinkSocket(netlinkFamily.netfilter);
  readonly #route = new NetlinkSocket(netlinkFamily.route);
  readonly #settings: CleanupSettings;
  readonly #mark: Marked;
  readonly #clock: () => number;
  /** When the endpoint of a draining connection was first missed, by port and endpoint. */
  #goneSince: ReadonlyMap<string, number> = new Map();
  /** UDP ports that had an endpoint at the last run. */
  #served: ReadonlySet<string> = new Set();
  #isStopped = false;

  /** @param clock monotonic milliseconds */
  constructor(settings: CleanupSettings, clock: () => number = () => performance.now()) {
    this.#settings = settings;
    this.#mark = { value: ingressMark(settings.name), mask: ingressMarkMask };
    this.#clock = clock;
  }

  /**
   * Deletes connections for which these ports have no endpoint. Returns the milliseconds until the next connection
   * has drained, or undefined if none is draining. Rejects with {@link NetlinkError}.
   */
  async run(ports: readonly IngressPort[], virtual: readonly AddressRange[] = []): Promise<number | undefined> {
    try {
      await this.#forgetUntranslated(ports, virtual);
      if (this.#isStopped) return undefined;
      return await this.#forgetStale(ports, virtual);
    } catch (error) {
      // A kernel without this interface offers no way to delete tracked connections.
      if (error instanceof NetlinkError && (error.code === 'EINVAL' || error.code === 'ENOTSUP')) return undefined;
      throw error;
    }
  }

  /** Lets a running {@link run} resolve after its current step, without deleting anything more. For ever. */
  stop(): void {
    this.#isStopped = true;
  }

  close(): void {
    this.#conntrack.close();
    this.#route.close();
  }

  async #forgetStale(ports: readonly IngressPort[], virtual: readonly AddressRange[]): Promise<number | undefined> {
    const { drainTime, isStrict } = this.#settings;
    const judge = judgeConnections(ports, isStrict, virtual);
    const now = this.#clock();
    const draining = new Map<string, number>();
    const doomed: Connection[] = [];
    for await (const list of listConnectionsInSteps(this.#conntrack, this.#mark)) {
      if (this.#isStopped) return undefined;
      for (const connection of list) {
        const protocol = protocolsByNumber.get(connection.protocol);
        if (protocol === undefined || !connection.translated) continue;
        const { destination, destinationPort: port, assured: established } = connection;
        const endpoint = `${connection.answeredBy.address.text} ${connection.answeredBy.port}`;
        const verdict = judge({ protocol, port, destination, endpoint, established, client: connection.source });
        if (verdict === 'keep') continue;
        const key = `${protocol} ${destination.text} ${port} ${endpoint}`;
        const since = this.#goneSince.get(key) ?? now;
        if (verdict === 'drain' && now - since < drainTime) draining.set(key, since);
        else doomed.push(connection);
      }
    }
    for (const connection of doomed) forgetConnection(this.#conntrack, connection);
    this.#goneSince = draining;
    if (draining.size === 0) return undefined;
    return Math.max(0, Math.min(...draining.values()) + drainTime - this.#clock());
  }

  /**
   * Datagrams that arrived before their port had an endpoint are tracked as connections to the node itself, and a
   * client that keeps sending keeps such an entry alive.
   */
  async #forgetUntranslated(ports: readonly IngressPort[], virtual: readonly AddressRange[]): Promise<void> {
    const active = ports.filter(({ protocol, endpoints }) => protocol !== 'tcp' && endpoints.some(isActive));
    const served = new Set(active.map((port) => `${numberKeyOf(port)}`));
    const findPort = openPortFinder(new Map(active.map((port) => [numberKeyOf(port), port])), virtual);
    const opened = served.difference(this.#served);
    if (opened.size > 0) {
      const own = new Set(listAddresses(this.#route).map(({ prefix }) => prefix.address.text));
      const doomed: Connection[] = [];
      for await (const list of listConnectionsInSteps(this.#conntrack, { value: 0, mask: 0 })) {
        if (this.#isStopped) return;
        for (const connection of list) {
          const protocol = protocolsByNumber.get(connection.protocol);
          if (protocol === undefined) continue;
          const port = findPort({ protocol, port: connection.destinationPort }, connection.destination);
          if (
            port !== undefined &&
            opened.has(`${numberKeyOf(port)}`) &&
            !connection.translated &&
            own.has(connection.destination.text)
          )
            doomed.push(connection);
        }
      }
      for (const connection of doomed) forgetConnection(this.#conntrack, connection);
    }
    this.#served = served;
  }
}

function isActive({ weight }: WeightedEndpoint): boolean {
  return weight > 0;
}
