import type { IngressPort, IngressRules } from '../../model/ingress.ts';
import { withTable, writeElementChanges, writeObject } from '../nftables/changes.ts';
import type { NftChain, NftCollection, NftDocument } from '../nftables/document.ts';
import { compileFrame, compilePort, type PortParts } from './compile.ts';

/** What an update of the open ports is. */
export interface IngressUpdate {
  /** For `nft -f -`; empty where nothing changes. */
  readonly input: string;
  /** The ports that are not what they were, as they were and as they are. */
  readonly before: readonly IngressPort[];
  readonly after: readonly IngressPort[];
}

/**
 * What is installed of an ingress node's ports, kept so that an update is computed from the ports
 * that changed and not from all of them. A port that is the very object of the last update has not
 * changed. Things that ports share are counted, and go with the last port that needs them.
 */
export class IngressTable {
  readonly #frame: NftDocument;
  readonly #ports = new Map<string, { readonly port: IngressPort; readonly parts: PortParts }>();
  readonly #counts = new Map<string, number>();

  /** A table that holds no port yet, as {@link compileFrame} lays it out. */
  constructor(rules: IngressRules) {
    this.#frame = compileFrame(rules);
  }

  /** Leads to these ports, and tells how. */
  update(ports: readonly IngressPort[]): IngressUpdate {
    const wanted = new Map(ports.map((port) => [`${port.protocol} ${port.port}`, port]));
    const changed = [...wanted].filter(([key, port]) => this.#ports.get(key)?.port !== port);
    const gone = [...this.#ports].filter(([key, { port }]) => wanted.get(key) !== port);
    const changes = new Changes(this.#frame, this.#counts);
    for (const [key, port] of changed) {
      const parts = compilePort(port);
      changes.take(parts);
      this.#ports.set(key, { port, parts });
    }
    for (const [key, { parts }] of gone) {
      changes.drop(parts);
      if (!wanted.has(key)) this.#ports.delete(key);
    }
    return {
      input: changes.write(),
      before: gone.map(([, { port }]) => port),
      after: changed.map(([, port]) => port),
    };
  }
}

/** What comes and goes in one update. What is dropped and taken again, unchanged, does neither. */
class Changes {
  readonly #frame: NftDocument;
  readonly #counts: Map<string, number>;
  readonly #touched = new Map<string, { readonly was: number; readonly thing: Thing }>();

  constructor(frame: NftDocument, counts: Map<string, number>) {
    this.#frame = frame;
    this.#counts = counts;
  }

  take(parts: PortParts): void {
    for (const [id, thing] of listThings(parts)) this.#count(id, thing, 1);
  }

  drop(parts: PortParts): void {
    for (const [id, thing] of listThings(parts)) this.#count(id, thing, -1);
  }

  #count(id: string, thing: Thing, step: 1 | -1): void {
    const count = this.#counts.get(id) ?? 0;
    if (!this.#touched.has(id)) this.#touched.set(id, { was: count, thing });
    if (count + step === 0) this.#counts.delete(id);
    else this.#counts.set(id, count + step);
  }

  /** Names come before what refers to them, and go after. */
  write(): string {
    const { table } = this.#frame;
    const come: Thing[] = [];
    const gone: Thing[] = [];
    for (const [id, { was, thing }] of this.#touched) {
      const is = this.#counts.get(id) ?? 0;
      if (was === 0 && is > 0) come.push(thing);
      if (was > 0 && is === 0) gone.push(thing);
    }
    const chainsCome = come.filter((thing) => thing.kind === 'chain');
    const chainsGone = gone.filter((thing) => thing.kind === 'chain');
    const lines = [
      ...come.flatMap((thing) => (thing.kind === 'object' ? [writeObject(table, thing.name, thing.body)] : [])),
      ...come.flatMap((thing) =>
        thing.kind === 'collection'
          ? [`add ${thing.collection.kind} ${table} ${thing.name} { ${thing.collection.head.join('; ')}; }`]
          : [],
      ),
      ...chainsCome.map(({ name }) => `add chain ${table} ${name}`),
      ...chainsCome.flatMap(({ name, chain }) => chain.rules.map((rule) => `add rule ${table} ${name} ${rule}`)),
      ...writeElementChanges(table, gone.filter(isElement), come.filter(isElement)),
      ...chainsGone.flatMap(({ name }) => [`flush chain ${table} ${name}`, `delete chain ${table} ${name}`]),
      ...gone.flatMap((thing) =>
        thing.kind === 'collection' ? [`delete ${thing.collection.kind} ${table} ${thing.name}`] : [],
      ),
      ...gone.flatMap((thing) => (thing.kind === 'object' ? [`delete ${withTable(table, thing.name)}`] : [])),
    ];
    return lines.map((line) => `${line}\n`).join('');
  }
}

interface Element {
  readonly kind: 'element';
  readonly collection: string;
  readonly key: string;
  readonly value: string;
}

type Thing =
  | Element
  | { readonly kind: 'chain'; readonly name: string; readonly chain: NftChain }
  | { readonly kind: 'collection'; readonly name: string; readonly collection: NftCollection }
  | { readonly kind: 'object'; readonly name: string; readonly body: readonly string[] };

function isElement(thing: Thing): thing is Element {
  return thing.kind === 'element';
}

function* listThings(parts: PortParts): Generator<[string, Thing]> {
  for (const [collection, key, value] of parts.elements) {
    yield [`${collection} { ${key} : ${value}`, { kind: 'element', collection, key, value }];
  }
  for (const [name, chain] of parts.chains) yield [`chain ${name}`, { kind: 'chain', name, chain }];
  for (const [name, collection] of parts.collections) {
    yield [`collection ${name}`, { kind: 'collection', name, collection }];
  }
  for (const [name, body] of parts.objects) yield [`object ${name}`, { kind: 'object', name, body }];
}
