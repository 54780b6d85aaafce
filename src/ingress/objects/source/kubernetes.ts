import { hash } from 'node:crypto';
import { isRecord } from '../../../api/shape.ts';
import { type KubeApi, versionOf } from '../../../cluster/port.ts';
import { ordinaryTimes, type ReflectorTimes, reflect } from '../../../cluster/reflector.ts';
import { formatProblem } from '../../../model/problem.ts';
import { type AgentKind, readKind } from '../objects.ts';
import type { ObjectSource, SourceSink } from './source.ts';

/** Where objects of each kind are, in the whole cluster. */
const paths: Readonly<Record<AgentKind, string>> = {
  Route: '/apis/route.openshift.io/v1/routes',
  Service: '/api/v1/services',
  EndpointSlice: '/apis/discovery.k8s.io/v1/endpointslices',
  Namespace: '/api/v1/namespaces',
  Gateway: '/apis/gateway.networking.k8s.io/v1/gateways',
  TCPRoute: '/apis/gateway.networking.k8s.io/v1alpha2/tcproutes',
  UDPRoute: '/apis/gateway.networking.k8s.io/v1alpha2/udproutes',
  ReferenceGrant: '/apis/gateway.networking.k8s.io/v1beta1/referencegrants',
};

const ordinaryKinds: readonly AgentKind[] = ['Route', 'Service', 'EndpointSlice', 'Namespace'];
const gatewayKinds: readonly AgentKind[] = ['Gateway', 'TCPRoute', 'UDPRoute', 'ReferenceGrant'];

/** What is taken from a cluster. */
export interface KubernetesSettings {
  readonly routerNameKey?: string;
  /** Also Gateways and their routes. */
  readonly hasGateways: boolean;
  readonly times?: ReflectorTimes;
}

/** Hears of every object as it came, status included. */
export interface ObjectObserver {
  /** `key` is `NAMESPACE/NAME`. */
  observe(kind: AgentKind, key: string, object: unknown): void;
  forget(kind: AgentKind, key: string): void;
}

/**
 * A cluster as a source of objects. Tells nothing as complete before every kind was listed whole; a
 * kind that the cluster does not know (no Route API) counts as empty, and that is reported.
 */
export class KubernetesSource implements ObjectSource {
  readonly #api: KubeApi;
  readonly #settings: KubernetesSettings;
  readonly #observer: ObjectObserver | undefined;
  readonly #end = new AbortController();
  /** Versions of the objects that were told, by kind and key. */
  readonly #versions = new Map<AgentKind, Map<string, string>>();
  /** Digests of what matters of each object, by kind and key. */
  readonly #contents = new Map<string, string>();
  readonly #waiting = new Set<AgentKind>();
  readonly #listed = new Set<AgentKind>();

  constructor(api: KubeApi, settings: KubernetesSettings, observer?: ObjectObserver) {
    this.#api = api;
    this.#settings = settings;
    this.#observer = observer;
  }

  start(sink: SourceSink): void {
    const kinds = [...ordinaryKinds, ...(this.#settings.hasGateways ? gatewayKinds : [])];
    for (const kind of kinds) {
      this.#waiting.add(kind);
      this.#versions.set(kind, new Map());
    }
    for (const kind of kinds) void this.#follow(kind, sink);
  }

  close(): void {
    this.#end.abort();
  }

  #follow(kind: AgentKind, sink: SourceSink): Promise<void> {
    const times = this.#settings.times ?? ordinaryTimes;
    return reflect(
      this.#api,
      paths[kind],
      {
        replace: (objects) => {
          this.#listed.add(kind);
          this.#replace(kind, objects, sink);
          this.#arrive(kind, sink);
        },
        put: (object) => this.#put(kind, object, sink),
        remove: (object) => {
          const key = rawKey(object);
          if (key !== undefined) this.#remove(kind, key, sink);
        },
        absent: () => {
          // A kind that was there and is not any more is likelier a fault than the wish to close every port.
          const isNew = !this.#listed.has(kind);
          sink.report(
            kind,
            isNew ? `the cluster has no ${kind} API: running without` : 'the API is gone, its last state stays',
          );
          this.#arrive(kind, sink);
        },
        report: (problem) => sink.report(kind, problem),
      },
      this.#end.signal,
      times,
    );
  }

  #arrive(kind: AgentKind, sink: SourceSink): void {
    if (this.#waiting.delete(kind) && this.#waiting.size === 0) sink.synced();
  }

  #replace(kind: AgentKind, objects: readonly unknown[], sink: SourceSink): void {
    const keys = new Set(objects.map(rawKey));
    for (const key of this.#versions.get(kind)?.keys() ?? []) if (!keys.has(key)) this.#remove(kind, key, sink);
    for (const object of objects) this.#put(kind, object, sink);
  }

  #put(kind: AgentKind, object: unknown, sink: SourceSink): void {
    const key = rawKey(object);
    if (key === undefined) return;
    const version = versionOf(object);
    const known = this.#versions.get(kind);
    if (version !== undefined && known?.get(key) === version) return;
    known?.set(key, version ?? '');
    this.#observer?.observe(kind, key, object);
    const place = `${kind} ${key}`;
    // A status, mostly our own, is no reason to think about 10,000 Routes again.
    const content = digestContent(object);
    if (this.#contents.get(place) === content) return;
    this.#contents.set(place, content);
    const reading = readKind(kind, object, this.#settings.routerNameKey);
    switch (reading.outcome) {
      case 'object':
        sink.put(reading.object);
        sink.report(place, undefined);
        break;
      case 'other':
        sink.remove(kind, key);
        sink.report(place, undefined);
        break;
      case 'unreadable':
        // The last good state stays: one bad object must not take its ports or endpoints away.
        sink.report(place, reading.problems.slice(0, 3).map(formatProblem).join('; '));
        break;
    }
  }

  #remove(kind: AgentKind, key: string, sink: SourceSink): void {
    this.#versions.get(kind)?.delete(key);
    this.#contents.delete(`${kind} ${key}`);
    this.#observer?.forget(kind, key);
    sink.remove(kind, key);
    sink.report(`${kind} ${key}`, undefined);
  }
}

/** Equal for two states of an object between which only its status or its version changed. */
function digestContent(object: unknown): string {
  if (!isRecord(object)) return '';
  const { status: _status, metadata, ...rest } = object;
  const { resourceVersion: _version, managedFields: _fields, ...meta } = isRecord(metadata) ? metadata : {};
  return hash('sha1', JSON.stringify([meta, rest]), 'base64');
}

/** `NAMESPACE/NAME` of an object that nobody has checked yet. */
function rawKey(object: unknown): string | undefined {
  const metadata = isRecord(object) && isRecord(object.metadata) ? object.metadata : {};
  const { namespace, name } = metadata;
  if (typeof name !== 'string') return undefined;
  return typeof namespace === 'string' && namespace !== '' ? `${namespace}/${name}` : name;
}
