import { Counter, Gauge, type Registry } from 'prom-client';
import type { AddressState } from '../addresses/documents.ts';
import type { Assignments } from '../pools/assign.ts';

/** Sources of the metrics. */
export interface AddressFigures {
  readonly state: () => AddressState | undefined;
  readonly assignments: () => Assignments;
}

const prefix = 'egress_router_ingress_address_';

/** Prometheus metrics of virtual addresses, from the report of this node's `ingress-addresses`. */
export class AddressMetrics {
  constructor(registry: Registry, { state, assignments }: AddressFigures) {
    const gauge = (name: string, help: string, labelNames: readonly string[], fill: (gauge: Gauge) => void): void => {
      const made: Gauge = new Gauge({
        name: `${prefix}${name}`,
        help,
        labelNames: [...labelNames],
        registers: [registry],
        collect: () => {
          made.reset();
          fill(made);
        },
      });
    };
    const count = (
      name: string,
      help: string,
      label: string | undefined,
      read: (state: AddressState) => Totals,
    ): void => {
      const counter: Counter = new Counter({
        name: `${prefix}${name}_total`,
        help,
        labelNames: label === undefined ? [] : [label],
        registers: [registry],
        collect: () => {
          const current = state();
          if (current === undefined) return;
          counter.reset();
          const totals = read(current);
          if (typeof totals === 'number') counter.inc(totals);
          else for (const [value, total] of Object.entries(totals)) counter.inc({ [label ?? '']: value }, total);
        },
      });
    };
    // One series per address that this node holds, so that a sum over nodes finds an address with two holders.
    gauge('held', 'Virtual addresses that this node holds: 1.', ['address'], (made) => {
      for (const one of state()?.addresses ?? []) {
        if (one.state === 'held' || one.state === 'handing-over') made.set({ address: one.address }, 1);
      }
    });
    gauge('conflict', 'Virtual addresses that a machine outside the ingress nodes claims: 1.', ['address'], (made) => {
      for (const one of state()?.addresses ?? []) if (one.state === 'conflict') made.set({ address: one.address }, 1);
    });
    gauge(
      'members',
      'Ingress nodes that take part in the election, by whether this node hears them.',
      ['alive'],
      (made) => {
        for (const alive of [true, false]) {
          const found = state()?.members.filter((one) => one.alive === alive) ?? [];
          made.set({ alive: `${alive}` }, found.length);
        }
      },
    );
    gauge('pool_addresses', 'Addresses of pools, by whether they have an owner.', ['pool', 'state'], (made) => {
      for (const { pool, assigned, free } of assignments().pools) {
        made.set({ pool: pool.meta.name, state: 'assigned' }, assigned);
        made.set({ pool: pool.meta.name, state: 'free' }, free);
      }
    });
    count('moves', 'Changes of holders that this node saw, by reason.', 'reason', ({ counters }) => counters.moves);
    count(
      'rivals',
      'Claims of virtual addresses by machines that are no ingress nodes.',
      undefined,
      ({ counters }) => counters.rivals,
    );
    count('lost_members', 'Ingress nodes that were found dead.', undefined, ({ counters }) => counters.lostMembers);
    count('lost_heartbeats', 'Heartbeats that did not arrive.', undefined, ({ counters }) => counters.lostHeartbeats);
    count(
      'rejected_heartbeats',
      'Heartbeats that were rejected, by reason: forged, replayed, or from another router.',
      'reason',
      ({ counters }) => counters.rejectedHeartbeats,
    );
  }
}

type Totals = number | Readonly<Record<string, number>>;
