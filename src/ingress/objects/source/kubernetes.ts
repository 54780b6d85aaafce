import { hash } from 'node:crypto';
import { type KubeApi, versionOf } from '../../../base/kubernetes/cluster-api.ts';
import { Limit } from '../../../base/kubernetes/limit.ts';
import { ordinaryTimes, type ReflectorTimes, reflect } from '../../../base/kubernetes/reflector.ts';
import { formatProblem } from '../../../base/model/problem.ts';
import { isRecord } from '../../../base/read/shape.ts';
import { type Kind, kinds, readKind } from '../kinds.ts';
import type { ObjectSource, SourceSink } from './source.ts';

/** What is taken from a cluster. */
export interface KubernetesSettings {
  readonly routerNameKey?: string;
  readonly kinds: readonly Kind[];
  /** Those of them that a cluster may lack, or refuse to show, without that being a problem. */
  readonly optionalKinds?: readonly Kind[];
  readonly times?: ReflectorTimes;
}

/** Hears of every object as it came, status included. */
export interface ObjectObserver {
  /** `key` is `NAMESPACE/NAME`; `version` the one of its API that the cluster serves it in. */
  observe(kind: Kind, key: string, object: unknown, version: string): void;
  forget(kind: Kind, key: string): void;
}

/** The kinds that every agent needs. */
export const ordinaryKinds: readonly Kind[] = ['Route', 'Service', 'EndpointSlice', 'Namespace'];

/** Read where the cluster permits it, to protect what listens on the addresses of other nodes. */
export const nodeKinds: readonly Kind[] = ['Node'];

/** The kinds of the Gateway API. */
export const gatewayKinds: readonly Kind[] = ['GatewayClass', 'Gateway', 'TCPRoute', 'UDPRoute', 'ReferenceGrant'];

/** Milliseconds between two looks for a kind that the cluster does not serve. */
const absentPause = 5000;

/**
 * A cluster as a source of objects. Tells nothing as complete before every kind was listed whole; a
 * kind that the cluster does not serve in any version that can be read counts as empty, and that is
 * reported; it is looked for again every few seconds.
 */
export class KubernetesSource implements ObjectSource {
  readonly #api: KubeApi;
  readonly #settings: KubernetesSettings;
  readonly #observer: ObjectObserver | undefined;
  readonly #end = new AbortController();
  /** Versions of the objects that were told, by kind and key. */
  readonly #versions = new Map<Kind, Map<string, string>>();
  /** Digests of what matters of each object, by kind and key. */
  readonly #contents = new Map<string, string>();
  readonly #waiting = new Set<Kind>();
  readonly #listed = new Set<Kind>();

  constructor(api: KubeApi, settings: KubernetesSettings, observer?: ObjectObserver) {
    this.#api = api;
    this.#settings = settings;
    this.#observer = observer;
  }

  get waitingFor(): string | undefined {
    return this.#waiting.size === 0 ? undefined : `the list of ${[...this.#waiting].join(', ')}`;
  }

  start(sink: SourceSink): void {
    for (const kind of this.#settings.kinds) {
      this.#waiting.add(kind);
      this.#versions.set(kind, new Map());
    }
    for (const kind of this.#settings.kinds) void this.#follow(kind, sink);
  }

  close(): void {
    this.#end.abort();
  }

  /** Follows a kind in the first version that the cluster serves, and looks again when that is gone. Never rejects. */
  async #follow(kind: Kind, sink: SourceSink): Promise<void> {
    const { versions } = kinds[kind];
    const { times = { ...ordinaryTimes, absentPause } } = this.#settings;
    for (let index = 0; !this.#end.signal.aborted; index = (index + 1) % versions.length) {
      const version = versions[index] as string;
      const isLast = index === versions.length - 1;
      const gone = new Limit(undefined, this.#end.signal);
      await reflect(
        this.#api,
        listPath(kind, version),
        {
          replace: (objects) => {
            this.#listed.add(kind);
            this.#replace(kind, objects, version, sink);
            this.#arrive(kind, sink);
          },
          put: (object) => this.#put(kind, object, version, sink),
          remove: (object) => {
            const key = rawKey(object);
            if (key !== undefined) this.#remove(kind, key, sink);
          },
          absent: () => {
            if (isLast) this.#noteAbsent(kind, sink);
            // With one version there is nothing else to look for, and the reflector looks again by itself.
            if (versions.length > 1) gone.endIn(isLast ? times.absentPause : 0);
          },
          report: (problem, status) => this.#reportTrouble(kind, problem, status, sink),
        },
        gone.signal,
        times,
      );
      gone.close();
    }
  }

  #noteAbsent(kind: Kind, sink: SourceSink): void {
    // A kind that was there and is not any more is likelier a fault than the wish to close every port.
    const isNew = !this.#listed.has(kind);
    const served = kinds[kind].versions.join(' or ');
    if (!isNew) sink.report(kind, 'the API is gone; its last objects stay in force');
    else if (!this.#isOptional(kind)) {
      sink.report(kind, `the cluster does not serve ${kind} in ${served}: running without`);
    }
    this.#arrive(kind, sink);
  }

  #isOptional(kind: Kind): boolean {
    return this.#settings.optionalKinds?.includes(kind) ?? false;
  }

  #reportTrouble(kind: Kind, problem: string | undefined, status: number | undefined, sink: SourceSink): void {
    // An agent of a release that did not look at the kind may have no right to: that must hold up nothing else.
    if (status === 403 && this.#isOptional(kind) && !this.#listed.has(kind)) this.#arrive(kind, sink);
    sink.report(kind, problem);
  }

  #arrive(kind: Kind, sink: SourceSink): void {
    if (this.#waiting.delete(kind) && this.#waiting.size === 0) sink.synced();
  }

  #replace(kind: Kind, objects: readonly unknown[], version: string, sink: SourceSink): void {
    const keys = new Set(objects.map(rawKey));
    for (const key of this.#versions.get(kind)?.keys() ?? []) if (!keys.has(key)) this.#remove(kind, key, sink);
    for (const object of objects) this.#put(kind, object, version, sink);
  }

  #put(kind: Kind, object: unknown, apiVersion: string, sink: SourceSink): void {
    const key = rawKey(object);
    if (key === undefined) return;
    const version = versionOf(object);
    const known = this.#versions.get(kind);
    if (version !== undefined && known?.get(key) === version) return;
    known?.set(key, version ?? '');
    this.#observer?.observe(kind, key, object, apiVersion);
    const place = `${kind} ${key}`;
    // A status, mostly our own, is no reason to think about 10,000 Routes again.
    const content = digestContent(kind, object);
    if (this.#contents.get(place) === content) return;
    this.#contents.set(place, content);
    const { routerNameKey } = this.#settings;
    const reading = readKind(kind, object, { ...(routerNameKey !== undefined && { routerNameKey }) });
    if (reading.outcome === 'object') {
      sink.put(reading.object);
      sink.report(place, undefined);
    } else if (reading.outcome === 'unreadable') {
      // The last good state stays: one bad object must not take its ports or endpoints away.
      sink.report(place, reading.problems.slice(0, 3).map(formatProblem).join('; '));
    }
  }

  #remove(kind: Kind, key: string, sink: SourceSink): void {
    this.#versions.get(kind)?.delete(key);
    this.#contents.delete(`${kind} ${key}`);
    this.#observer?.forget(kind, key);
    sink.remove(kind, key);
    sink.report(`${kind} ${key}`, undefined);
  }
}

/** Where all objects of a kind are, in the whole cluster. */
function listPath(kind: Kind, version: string): string {
  const { group, plural } = kinds[kind];
  return group === '' ? `/api/${version}/${plural}` : `/apis/${group}/${version}/${plural}`;
}

/** Equal for two states of an object between which only its version, or status that is not read, changed. */
function digestContent(kind: Kind, object: unknown): string {
  if (!isRecord(object)) return '';
  const { status: _status, metadata, ...rest } = object;
  const { resourceVersion: _version, managedFields: _fields, ...meta } = isRecord(metadata) ? metadata : {};
  return hash('sha1', JSON.stringify([meta, rest, kinds[kind].statusOf?.(object)]), 'base64');
}

/** `NAMESPACE/NAME` of an object that nobody has checked yet. */
function rawKey(object: unknown): string | undefined {
  const metadata = isRecord(object) && isRecord(object.metadata) ? object.metadata : {};
  const { namespace, name } = metadata;
  if (typeof name !== 'string') return undefined;
  return typeof namespace === 'string' && namespace !== '' ? `${namespace}/${name}` : name;
}
