import { type NftDocument, writeTable } from '../../../base/rules/nftables/document.ts';
import type { NftElement } from '../../../base/rules/nftables/element.ts';
import type { IngressPort, WeightedEndpoint } from '../model.ts';
import { numberKeyOf } from '../port-number-key.ts';
import { collect, listCome, listGone } from './element-changes.ts';
import { compileBases, compileFrame, type FrameRules, type Side } from './frame.ts';
import { TargetGroups, type Targets } from './groups.ts';
import {
  countTargets,
  familiesOf,
  layOutPort,
  listPlaces,
  listShared,
  type PortLayout,
  type SharedThing,
  spreadTargets,
} from './layout.ts';

/** An update of the open ports. The structure comes first, because elements refer to it. */
export interface IngressUpdate {
  /** Missing chains, maps and objects for `nft -f -`; usually empty. */
  readonly structure: string;
  readonly gone: Iterable<NftElement>;
  readonly come: Iterable<NftElement>;
  /** Whether there are no elements to change. */
  readonly isEmpty: boolean;
  /** Whether the table is too small, so that a larger one is needed. */
  readonly isTooLarge: boolean;
}

/** Limit of unused chains and maps that are kept, because deleting them makes the kernel walk the whole table. */
const maxIdle = 50;

/**
 * Maximum number of ports with their own chain and counter for round robin. Each makes the kernel inspect its chain
 * at every later change of a rule, so further ports share chains and use random distribution.
 */
const maxTurns = 512;

/** Minimum size of a map of targets, in elements. */
const leastRoom = 16_384;

/** A changed port. */
interface Change {
  readonly before?: PortLayout;
  readonly after?: PortLayout;
}

/**
 * The installed structure of an ingress node's ports. It lets an update be computed from the changed ports only. A
 * port that is the same object as in the last update has not changed. Shared structure is reference-counted. Unused
 * structure stays until {@link tidy}, which also creates what will be needed next, so that an update usually consists
 * of elements only.
 */
export class IngressTable {
  readonly #rules: FrameRules;
  readonly #room: number;
  readonly #frame: NftDocument;
  /** By {@link numberKeyOf}, because building strings for 10,000 ports would take longer than an update. */
  readonly #ports = new Map<number | string, PortLayout>();
  readonly #shared = new Map<string, { count: number; readonly thing: SharedThing }>();
  /** Shared structure in the kernel, needed or not. */
  readonly #present = new Map<string, SharedThing>();
  /** Targets that many ports share. */
  readonly #groups = new TargetGroups();
  /** Number of ports per list of endpoints. */
  readonly #places = new Map<readonly WeightedEndpoint[], number>();
  /** Ports with their own counter. */
  readonly #turns = new Set<number | string>();
  /** Number of elements of each map of targets, and its size. */
  readonly #targets = new Map<string, { used: number; readonly room: number }>();

  /**
   * Creates a table without ports.
   *
   * @param room minimum size of a map of targets, in elements
   */
  constructor(rules: FrameRules, side: Side, room = leastRoom) {
    this.#room = Math.max(leastRoom, room);
    this.#rules = rules;
    this.#frame = compileFrame(rules, side);
  }

  /** Renders for `nft -f -`: creates the table, which must not exist, without activating it. */
  writeFrame(): string {
    return writeTable(this.#frame);
  }

  /** Renders for `nft -f -`: activates the table. */
  writeBases(): string {
    const { table } = this.#frame;
    return Array.from(compileBases(this.#rules), ([name, { base, rules }]) =>
      [
        `add chain ${table} ${name} { ${base}; policy accept; }\n`,
        ...rules.map((rule) => `add rule ${table} ${name} ${rule}\n`),
      ].join(''),
    ).join('');
  }

  /** The open ports of the last update. */
  get ports(): Iterable<IngressPort> {
    return Array.from(this.#ports.values(), ({ port }) => port);
  }

  /** Computes and records the update to these ports. */
  update(ports: readonly IngressPort[]): IngressUpdate {
    const wanted = new Map<number | string, IngressPort>();
    for (const port of ports) wanted.set(numberKeyOf(port), port);
    const changes: Change[] = [];
    for (const [key, before] of this.#ports) {
      if (wanted.has(key)) continue;
      changes.push({ before });
      this.#ports.delete(key);
      this.#turns.delete(key);
    }
    const planned: { readonly key: number | string; readonly port: IngressPort; readonly hasTurns: boolean }[] = [];
    for (const [key, port] of wanted) {
      if (this.#ports.get(key)?.port !== port) planned.push({ key, port, hasTurns: this.#takeTurns(key, port) });
    }
    const groups = this.#groups.follow([
      ...changes.flatMap(({ before }) =>
        before === undefined ? [] : [{ protocol: before.port.protocol, before: before.targets, after: [] }],
      ),
      ...planned.map(({ key, port, hasTurns }) => ({
        protocol: port.protocol,
        before: this.#ports.get(key)?.targets ?? [],
        after: familiesOf(port).map((family) => spreadTargets(port, family, hasTurns)),
      })),
    ]);
    for (const { key, port, hasTurns } of planned) {
      const before = this.#ports.get(key);
      const context = { name: this.#rules.name, hasTurns, mapOf: this.#mapOf };
      const after = layOutPort(port, context);
      changes.push(before === undefined ? { after } : { before, after });
      this.#ports.set(key, after);
    }
    const isTooLarge = this.#fill(changes);
    const shared = this.#recount(changes);
    return {
      isTooLarge,
      structure: this.#supply(shared.come),
      gone: collect(
        changes,
        ({ before, after }) => (before === undefined ? [] : listGone(before, after)),
        shared.gone,
        groups.gone,
      ),
      come: collect(
        changes,
        ({ before, after }) => (after === undefined ? [] : listCome(before, after)),
        shared.come,
        groups.come,
      ),
      isEmpty: changes.length === 0,
    };
  }

  readonly #mapOf = (targets: Targets): string | undefined => this.#groups.mapOf(targets);

  /**
   * Renders for `nft -f -`: deletes unused structure, and creates chains that will be needed when an endpoint is
   * added or removed. Empty if there is nothing to do.
   */
  tidy(): string {
    const { table } = this.#frame;
    const spare = new Map<string, SharedThing>();
    for (const { thing } of this.#shared.values()) {
      for (const one of thing.kind === 'chain' ? thing.neighbours : []) {
        spare.set(`chain ${one.name}`, { kind: 'chain', ...one, neighbours: [] });
      }
    }
    const supplied = this.#supply(spare);
    const idle = [...this.#present].filter(([id]) => !this.#shared.has(id) && !spare.has(id));
    // An allow-list can be very long.
    if (idle.length <= maxIdle && !idle.some(([, thing]) => isLong(thing))) return supplied;
    const lines = { chain: [] as string[], collection: [] as string[] };
    for (const [id, thing] of idle) {
      this.#present.delete(id);
      if (thing.kind === 'chain') {
        lines.chain.push(`flush chain ${table} ${thing.name}`, `delete chain ${table} ${thing.name}`);
      } else if (thing.kind === 'collection') {
        lines.collection.push(`delete ${thing.collection.kind} ${table} ${thing.name}`);
      }
    }
    return supplied + writeLines([...lines.chain, ...lines.collection]);
  }

  /** Returns whether a port has its own counter for round robin: the first {@link maxTurns} that request it do. */
  #takeTurns(key: number | string, port: IngressPort): boolean {
    if (!needsTurns(port)) this.#turns.delete(key);
    else if (this.#turns.size < maxTurns) this.#turns.add(key);
    return this.#turns.has(key);
  }

  /** Counts targets. A map created with its size is filled twice as fast as one that grows, and lookups are faster. */
  #fill(changes: readonly Change[]): boolean {
    const sums = new Map<string, number>();
    for (const { before, after } of changes) {
      for (const [name, count] of after === undefined ? [] : countTargets(after)) add(sums, name, count);
      for (const [name, count] of before === undefined ? [] : countTargets(before)) add(sums, name, -count);
    }
    let isTooLarge = false;
    for (const [name, sum] of sums) {
      const known = this.#targets.get(name);
      if (known === undefined) this.#targets.set(name, { used: sum, room: Math.max(this.#room, 2 * sum) });
      else known.used += sum;
      isTooLarge ||= known !== undefined && known.used > known.room;
    }
    return isTooLarge;
  }

  #recount(changes: readonly Change[]): {
    readonly come: readonly (readonly [string, SharedThing])[];
    readonly gone: readonly (readonly [string, SharedThing])[];
  } {
    const touched = new Map<string, { readonly was: boolean; readonly thing: SharedThing }>();
    this.#recountPlaces(changes, touched);
    for (const { before, after } of changes) {
      for (const [id, thing] of after === undefined ? [] : listShared(after)) this.#count(touched, id, thing, 1);
      for (const [id, thing] of before === undefined ? [] : listShared(before)) this.#count(touched, id, thing, -1);
    }
    const come: [string, SharedThing][] = [];
    const gone: [string, SharedThing][] = [];
    for (const [id, { was, thing }] of touched) {
      const is = this.#shared.has(id);
      if (is && !was) come.push([id, thing]);
      if (was && !is) gone.push([id, thing]);
    }
    return { come, gone };
  }

  /** Counts a list of endpoints once, regardless of the number of its ports. */
  #recountPlaces(
    changes: readonly Change[],
    touched: Map<string, { readonly was: boolean; readonly thing: SharedThing }>,
  ): void {
    const steps = new Map<readonly WeightedEndpoint[], number>();
    for (const { before, after } of changes) {
      if (after !== undefined) steps.set(after.port.endpoints, (steps.get(after.port.endpoints) ?? 0) + 1);
      if (before !== undefined) steps.set(before.port.endpoints, (steps.get(before.port.endpoints) ?? 0) - 1);
    }
    // Additions first: an address in two lists must not be removed in between.
    for (const [endpoints, step] of [...steps].sort(([, one], [, other]) => other - one)) {
      const was = this.#places.get(endpoints) ?? 0;
      const is = was + step;
      if (is === 0) this.#places.delete(endpoints);
      else this.#places.set(endpoints, is);
      if (is > 0 === was > 0) continue;
      for (const [id, thing] of listPlaces(endpoints)) this.#count(touched, id, thing, is > 0 ? 1 : -1);
    }
  }

  #count(
    touched: Map<string, { readonly was: boolean; readonly thing: SharedThing }>,
    id: string,
    thing: SharedThing,
    step: 1 | -1,
  ): void {
    const known = this.#shared.get(id);
    if (!touched.has(id)) touched.set(id, { was: known !== undefined, thing });
    if (known === undefined) this.#shared.set(id, { count: step, thing });
    else if (known.count + step === 0) this.#shared.delete(id);
    else known.count += step;
  }

  /** Renders missing structure. */
  #supply(come: Iterable<readonly [string, SharedThing]>): string {
    const { table } = this.#frame;
    const lines = { collection: [] as string[], chain: [] as string[], rule: [] as string[] };
    for (const [id, thing] of come) {
      if (thing.kind === 'element' || this.#present.has(id)) continue;
      this.#present.set(id, thing);
      switch (thing.kind) {
        case 'collection': {
          const { kind, head, elements } = thing.collection;
          const own = elements.size === 0 ? [] : [`elements = { ${[...elements.keys()].join(', ')} }`];
          const room = thing.holdsTargets === true ? [`size ${this.#targets.get(thing.name)?.room}`] : [];
          lines.collection.push(`add ${kind} ${table} ${thing.name} { ${[...head, ...room, ...own].join('; ')}; }`);
          break;
        }
        case 'chain':
          lines.chain.push(`add chain ${table} ${thing.name}`);
          for (const rule of thing.chain.rules) lines.rule.push(`add rule ${table} ${thing.name} ${rule}`);
      }
    }
    return writeLines([...lines.collection, ...lines.chain, ...lines.rule]);
  }
}

function add(sums: Map<string, number>, name: string, count: number): void {
  sums.set(name, (sums.get(name) ?? 0) + count);
}

function writeLines(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

function isLong(thing: SharedThing): boolean {
  return thing.kind === 'collection' && thing.collection.elements.size > 0;
}

/** Returns whether connections are distributed in turn over several targets. */
export function needsTurns({ balance, endpoints }: IngressPort): boolean {
  return balance === 'roundrobin' && endpoints.length > 1;
}
