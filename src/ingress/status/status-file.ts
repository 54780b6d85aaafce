import { readFileSync } from 'node:fs';
import * as z from 'zod/mini';
import { writeWhole, writeWholeInPieces } from '../../base/files/write-whole.ts';
import { keyOf } from '../../base/read/object-meta.ts';
import type { GatewayReports } from '../gateway/gateway-status.ts';
import { indent, writeEntry } from './file-text.ts';
import { GatewayFileStatuses } from './gateway-file.ts';
import { listIngressAddresses } from './plan-ingress.ts';
import { makeIngress, type RouteIngress, type RouterIdentity, type RouteStatus, type StatusSink } from './status.ts';

/** Characters above which a file is written with other work in between. */
const largeFile = 100_000;

/** The parts of an earlier file that preserve transition times. */
const fileSchema = z.object({
  gateways: z.optional(z.unknown()),
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
 * Writes the statuses of all Routes and Gateway API objects, and problems of manifests, to one JSON file, for sources without an API server. The
 * file is replaced atomically after a change. Errors go to `report`.
 */
export class StatusFile implements StatusSink {
  /** The last ones that were known. */
  #ingressAddresses: readonly string[] = [];
  readonly #path: string;
  readonly #identity: RouterIdentity;
  readonly #report: (problem: string | undefined) => void;
  readonly #clock: () => number;
  readonly #gateways: GatewayFileStatuses;
  #entries: ReadonlyMap<string, RouteIngress>;
  readonly #made = new WeakMap<RouteStatus, Entry>();
  #ingresses = { addresses: '', texts: new WeakMap<RouteStatus, string>() };
  /** Content of the file that is written, or is being written. */
  #pieces: readonly string[] = [];
  /** Writes of a large file. */
  #writing: Promise<void> | undefined;
  #isClosed = false;

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
    const { entries, gateways } = readFile(path);
    this.#entries = entries;
    this.#gateways = new GatewayFileStatuses(identity.controllerName, gateways);
  }

  publish(
    statuses: readonly RouteStatus[],
    reports?: GatewayReports,
    problems: readonly string[] = [],
    _addresses?: unknown,
    ingressAddresses?: readonly string[],
  ): void {
    this.#ingressAddresses = ingressAddresses ?? this.#ingressAddresses;
    const now = new Date(this.#clock());
    // Routes, and listeners of Gateways and ListenerSets.
    const entries = statuses.flatMap((status) =>
      status.kind === undefined || status.listener !== undefined ? (this.#makeEntry(status, now) ?? []) : [],
    );
    this.#entries = new Map(entries.map(({ uid, ingress }) => [uid, ingress]));
    entries.sort((one, other) => (one.place < other.place ? -1 : 1));
    const gateways = this.#gateways.list(reports, now);
    const routes = entries.map(({ text }) => text);
    const listed = problems.length === 0 ? '' : `,\n  "problems": ${indent(JSON.stringify(problems, undefined, 2), 2)}`;
    const pieces = [
      '{\n  "routes": ',
      ...(routes.length === 0 ? ['[]'] : listPieces('', routes)),
      ...listPieces(',\n  "ingresses": ', this.#listIngresses(statuses, this.#ingressAddresses)),
      ...listPieces(',\n  "gateways": ', gateways),
      `${listed}\n}\n`,
    ];
    if (isSameList(pieces, this.#pieces)) return;
    this.#pieces = pieces;
    if (this.#writing !== undefined) return;
    const size = pieces.reduce((sum, { length }) => sum + length, 0);
    if (size <= largeFile) this.#writeNow();
    else this.#writing = this.#writeLater();
  }

  #writeNow(): void {
    try {
      writeWhole(this.#path, this.#pieces.join(''), 0o644);
      this.#report(undefined);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Writes a large file with other work in between, and again if it has changed meanwhile. Never rejects. */
  async #writeLater(): Promise<void> {
    for (let pieces: readonly string[] = []; pieces !== this.#pieces; ) {
      pieces = this.#pieces;
      try {
        await writeWholeInPieces(this.#path, pieces, 0o644, () => !this.#isClosed);
        this.#report(undefined);
      } catch (error) {
        this.#fail(error);
        break;
      }
    }
    this.#writing = undefined;
  }

  #fail(error: unknown): void {
    // The next publishing tries again.
    this.#pieces = [];
    this.#report(`Cannot write ${this.#path}: ${error instanceof Error ? error.message : String(error)}`);
  }

  /** Returns the texts of Ingresses. Few of 10,000 change, so those of the others are cached. */
  #listIngresses(statuses: readonly RouteStatus[], addresses: readonly string[]): readonly string[] {
    const isSame = addresses.join() === this.#ingresses.addresses;
    const known = isSame ? this.#ingresses.texts : new WeakMap<RouteStatus, string>();
    this.#ingresses = { addresses: addresses.join(), texts: known };
    return statuses.flatMap((status) => {
      if (status.kind !== 'Ingress') return [];
      const text = known.get(status) ?? writeEntry(describeIngress(status, addresses));
      known.set(status, text);
      return [text];
    });
  }

  /** Few of 10,000 Routes change, so the text of an unchanged status is cached. */
  #makeEntry(status: RouteStatus, now: Date): Entry | undefined {
    const known = this.#made.get(status);
    if (known !== undefined) return known;
    const { namespace, name, uid } = status.meta;
    const { kind, listener, ports } = status;
    const before = this.#entries.get(uid);
    const ingress = status.isPending ? before : makeIngress(status, this.#identity, before, now);
    if (ingress === undefined) return undefined;
    const document = {
      kind: listener === undefined ? 'Route' : (kind ?? 'Gateway'),
      namespace,
      name,
      uid,
      ...(listener !== undefined && { listener }),
      ports,
      status: { ingress: [ingress] },
    };
    const text = writeEntry(document);
    const entry = { uid, place: `${keyOf(status.meta)} ${uid}`, ingress, text };
    this.#made.set(status, entry);
    return entry;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // The process exits soon.
    if (this.#writing !== undefined) this.#writeNow();
  }
}

/** Returns a list of texts as pieces of the file; nothing for an empty list. */
function listPieces(begin: string, texts: readonly string[]): readonly string[] {
  if (texts.length === 0) return [];
  return [`${begin}[\n`, ...texts.flatMap((text, index) => (index === 0 ? [text] : [',\n', text])), '\n  ]'];
}

function isSameList(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((text, index) => text === other[index]);
}

/** Returns an Ingress in the status file. */
function describeIngress(status: RouteStatus, addresses: readonly string[]): object {
  const { meta, admitted, reason, message, isPending } = status;
  return {
    namespace: meta.namespace,
    name: meta.name,
    uid: meta.uid,
    ...(isPending ? { isPending } : { admitted }),
    ...(reason !== undefined && { reason }),
    ...(message !== undefined && { message }),
    status: { loadBalancer: { ingress: isPending ? [] : listIngressAddresses(status, addresses) } },
  };
}

/** The text of a status, and its sort key. */
interface Entry {
  readonly uid: string;
  readonly place: string;
  readonly ingress: RouteIngress;
  readonly text: string;
}

/** Content of an earlier file. */
interface EarlierFile {
  readonly entries: ReadonlyMap<string, RouteIngress>;
  readonly gateways?: unknown;
}

function readFile(path: string): EarlierFile {
  try {
    const read = z.safeParse(fileSchema, JSON.parse(readFileSync(path, 'utf8')));
    if (!read.success) return { entries: new Map() };
    const entries = read.data.routes.flatMap(({ uid, status }) =>
      status.ingress.map((ingress) => [uid, ingress] as const),
    );
    return {
      entries: new Map(entries as readonly (readonly [string, RouteIngress])[]),
      gateways: read.data.gateways,
    };
  } catch {
    // There is no earlier file of this agent, so all transitions happen now.
    return { entries: new Map() };
  }
}
