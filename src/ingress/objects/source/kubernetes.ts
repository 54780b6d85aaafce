import { hash } from 'node:crypto';
import { type KubeApi, versionOf } from '../../../base/kubernetes/cluster-api.ts';
import { Limit } from '../../../base/kubernetes/limit.ts';
import { ordinaryTimes, type ReflectorTimes, reflect } from '../../../base/kubernetes/reflector.ts';
import { formatProblem } from '../../../base/model/problem.ts';
import { isRecord } from '../../../base/read/shape.ts';
import { type Kind, kinds, type ReadingContext, readKind } from '../kinds.ts';
import type { ObjectSource, SourceSink } from './source.ts';

/** What to read from a cluster. */
export interface KubernetesSettings extends ReadingContext {
  readonly kinds: readonly Kind[];
  /** Those kinds that a cluster may lack or deny access to without that being a problem. */
  readonly optionalKinds?: readonly Kind[];
  readonly times?: ReflectorTimes;
}

/** Receives every object as it arrived, including its status. */
export interface ObjectObserver {
  /** `key` is `NAMESPACE/NAME`; `version` is the API version in which the cluster serves it. */
  observe(kind: Kind, key: string, object: unknown, version: string): void;
  forget(kind: Kind, key: string): void;
}

/** Kinds that every agent needs. */
export const ordinaryKinds: readonly Kind[] = ['Route', 'Service', 'EndpointSlice', 'Namespace'];

/** Read if the cluster permits it, to protect programs that listen on addresses of other nodes. */
export const nodeKinds: readonly Kind[] = ['Node'];

/** The kinds of the Gateway API. */
export const gatewayKinds: readonly Kind[] = ['GatewayClass', 'Gateway', 'TCPRoute', 'UDPRoute', 'ReferenceGrant'];

/** Kinds of the Gateway API that clusters with earlier releases of it lack. */
export const laterGatewayKinds: readonly Kind[] = ['ListenerSet'];

/** The kinds of Ingresses. */
export const ingressKinds: readonly Kind[] = ['Ingress', 'IngressClass'];

/** The kinds of the Gateway API that only an agent that serves hosts reads. */
export const siteRouteKinds: readonly Kind[] = ['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'BackendTLSPolicy'];

/** Virtual addresses. A cluster without this API has none. */
export const poolKinds: readonly Kind[] = ['IngressAddressPool'];

/** Interval between checks for a kind that the cluster does not serve, in milliseconds. */
const absentPause = 5000;

/**
 * A cluster as a source of objects. It is not complete before every kind has been listed. A kind that the cluster
 * serves in no supported version counts as empty, which is reported; it is checked again every few seconds.
 */
export class KubernetesSource implements ObjectSource {
  readonly #api: KubeApi;
  readonly #settings: KubernetesSettings;
  readonly #observer: ObjectObserver | undefined;
  readonly #end = new AbortController();
  /** Versions of the reported objects by kind and key. */
  readonly #versions = new Map<Kind, Map<string, string>>();
  /** Digests of the relevant content of each object, by kind and key. */
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

  /**
   * Follows a kind in the first version that the cluster serves, and checks again when that version is removed. Never
   * rejects.
   */
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
            // With only one version there is nothing else to try, and the reflector retries on its own.
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
    // The disappearance of a kind is more likely a fault than a request to close every port.
    const isNew = !this.#listed.has(kind);
    const served = kinds[kind].versions.join(' or ');
    if (!isNew) sink.report(kind, 'the API has disappeared; keeping its last objects');
    else if (!this.#isOptional(kind)) {
      sink.report(kind, `the cluster does not serve ${kind} in ${served}; running without it`);
    }
    this.#arrive(kind, sink);
  }

  #isOptional(kind: Kind): boolean {
    return this.#settings.optionalKinds?.includes(kind) ?? false;
  }

  #reportTrouble(kind: Kind, problem: string | undefined, status: number | undefined, sink: SourceSink): void {
    // An agent upgraded from a release without this kind may lack the permission, which must not delay anything else.
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
    // A changed status, usually our own, is no reason to evaluate 10,000 Routes again.
    const content = digestContent(kind, object);
    if (this.#contents.get(place) === content) return;
    this.#contents.set(place, content);
    const reading = readKind(kind, object, this.#settings);
    if (reading.outcome === 'object') {
      sink.put(reading.object);
      const { leftOut } = reading.object.kind === 'EndpointSlice' ? reading.object.value : { leftOut: [] };
      sink.report(place, leftOut.length === 0 ? undefined : `ignored endpoints ${leftOut.join(', ')}`);
    } else if (reading.outcome === 'unreadable') {
      // Keeps the last valid state: one invalid object must not lose its ports or endpoints.
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

/** Returns the path of all objects of a kind in the whole cluster. */
function listPath(kind: Kind, version: string): string {
  const { group, plural } = kinds[kind];
  return group === '' ? `/api/${version}/${plural}` : `/apis/${group}/${version}/${plural}`;
}

/** Returns equal digests for two states of an object that differ only in version or unread status. */
function digestContent(kind: Kind, object: unknown): string {
  if (!isRecord(object)) return '';
  const { status: _status, metadata, ...rest } = object;
  const { resourceVersion: _version, managedFields: _fields, ...meta } = isRecord(metadata) ? metadata : {};
  return hash('sha1', JSON.stringify([meta, rest, kinds[kind].statusOf?.(object)]), 'base64');
}

/** Returns `NAMESPACE/NAME` of an unvalidated object. */
function rawKey(object: unknown): string | undefined {
  const metadata = isRecord(object) && isRecord(object.metadata) ? object.metadata : {};
  const { namespace, name } = metadata;
  if (typeof name !== 'string') return undefined;
  return typeof namespace === 'string' && namespace !== '' ? `${namespace}/${name}` : name;
}
