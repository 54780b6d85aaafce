import { readFileSync } from 'node:fs';
import * as z from 'zod/mini';
import { keyOf } from '../../api/object-meta.ts';
import { writeWhole } from '../../files/write-whole.ts';
import { makeIngress, type RouteIngress, type RouterIdentity, type RouteStatus, type StatusSink } from './status.ts';

/** Of an earlier file only what keeps the times of transition is read. */
const fileSchema = z.object({
  routes: z.array(
    z.object({
      namespace: z.string(),
      name: z.string(),
      uid: z.string(),
      status: z.object({
        ingress: z.array(
          z.object({
            host: z.string(),
            routerName: z.string(),
            routerCanonicalHostname: z.optional(z.string()),
            wildcardPolicy: z.enum(['None', 'Subdomain']),
            conditions: z.array(
              z.object({
                type: z.literal('Admitted'),
                status: z.enum(['True', 'False']),
                reason: z.optional(z.string()),
                message: z.optional(z.string()),
                lastTransitionTime: z.string(),
              }),
            ),
          }),
        ),
      }),
    }),
  ),
});

/**
 * The statuses of all Routes in one JSON file, for sources that have no API server to write them to.
 * Written whole when something changed. What cannot be written is told to `report`.
 */
export class StatusFile implements StatusSink {
  readonly #path: string;
  readonly #identity: RouterIdentity;
  readonly #report: (problem: string | undefined) => void;
  readonly #clock: () => number;
  #entries: ReadonlyMap<string, RouteIngress>;
  #written = '';

  /** @param clock milliseconds since 1970, UTC */
  constructor(
    path: string,
    identity: RouterIdentity,
    report: (problem: string | undefined) => void,
    clock: () => number = Date.now,
  ) {
    this.#path = path;
    this.#identity = identity;
    this.#report = report;
    this.#clock = clock;
    this.#entries = readEntries(path);
  }

  publish(statuses: readonly RouteStatus[]): void {
    const now = new Date(this.#clock());
    const entries = new Map<string, RouteIngress>();
    const routes = [...statuses].sort(byName).map((status) => {
      const { namespace, name, uid } = status.meta;
      const { listener } = status;
      const kind = listener === undefined ? 'Route' : 'Gateway';
      const ingress = makeIngress(status, this.#identity, this.#entries.get(uid), now);
      entries.set(uid, ingress);
      return {
        kind,
        namespace,
        name,
        uid,
        ...(listener !== undefined && { listener }),
        ports: status.ports,
        status: { ingress: [ingress] },
      };
    });
    this.#entries = entries;
    const text = `${JSON.stringify({ routes }, undefined, 2)}\n`;
    if (text === this.#written) return;
    try {
      writeWhole(this.#path, text, 0o644);
      this.#written = text;
      this.#report(undefined);
    } catch (error) {
      this.#report(`Cannot write ${this.#path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  close(): void {
    // Every change is on the disk already.
  }
}

function byName({ meta: one }: RouteStatus, { meta: other }: RouteStatus): number {
  const [a, b] = [`${keyOf(one)} ${one.uid}`, `${keyOf(other)} ${other.uid}`];
  return a < b ? -1 : 1;
}

function readEntries(path: string): ReadonlyMap<string, RouteIngress> {
  try {
    const read = z.safeParse(fileSchema, JSON.parse(readFileSync(path, 'utf8')));
    if (!read.success) return new Map();
    const entries = read.data.routes.flatMap(({ uid, status }) =>
      status.ingress.map((ingress) => [uid, ingress] as const),
    );
    return new Map(entries as readonly (readonly [string, RouteIngress])[]);
  } catch {
    // No earlier file, or none of ours: all transitions are now.
    return new Map();
  }
}
