import type { DaemonLog } from '../../base/daemon/log.ts';
import type { KubeApi } from '../../base/kubernetes/cluster-api.ts';
import { type EventObject, EventRecorder, type EventWords } from '../../base/kubernetes/events.ts';
import type { Leadership } from '../../base/kubernetes/leadership.ts';
import { type SeenObject, type StatusChange, StatusWriter } from '../../base/kubernetes/status-writer.ts';
import { keyOf } from '../../base/read/object-meta.ts';
import { isRecord } from '../../base/read/shape.ts';
import type { GatewayReports } from '../gateway/gateway-status.ts';
import { routeKinds } from '../gateway/route.ts';
import { type Kind, kinds } from '../objects/kinds.ts';
import type { ObjectObserver } from '../objects/source/kubernetes.ts';
import { IngressStatuses } from './ingress-statuses.ts';
import { type AddressReports, planBalancer, planPool } from './plan-addresses.ts';
import { planGateway, planGatewayClass, planGatewayRoute, planListenerSet, planPolicy } from './plan-gateway.ts';
import { planRoute } from './plan-route.ts';
import { type SchemaTimes, ServedFeatures } from './served-features.ts';
import type { RouterIdentity, RouteStatus, StatusSink } from './status.ts';

/** Writes the statuses of Routes, Gateways and their routes to the API server. */
export class ClusterStatus implements StatusSink, ObjectObserver {
  readonly #identity: RouterIdentity;
  readonly #leadership: Leadership;
  readonly #writer: StatusWriter<Kind>;
  #statuses: ReadonlyMap<string, RouteStatus> | undefined;
  #gateways: GatewayReports | undefined;
  readonly #ingresses: IngressStatuses;
  #addresses: AddressReports | undefined;
  readonly #events: EventRecorder;
  readonly #features: ServedFeatures;
  readonly #end = new AbortController();

  constructor(
    api: KubeApi,
    identity: RouterIdentity,
    leadership: Leadership,
    log: DaemonLog,
    schemaTimes?: SchemaTimes,
  ) {
    this.#identity = identity;
    const plan = (key: string, object: SeenObject<Kind>) => this.#plan(key, object);
    this.#leadership = leadership;
    this.#events = new EventRecorder(api, 'ingress-agent', log);
    this.#ingresses = new IngressStatuses(this.#events, leadership);
    this.#writer = new StatusWriter({ api, kinds, plan, leadership, events: this.#events, log });
    const reviewClasses = () => this.#writer.reviewSome('GatewayClass', this.#gateways?.classes.keys() ?? []);
    this.#features = new ServedFeatures(api, () => leadership.isHeld, reviewClasses, schemaTimes);
  }

  observe(kind: Kind, key: string, object: unknown, version: string): void {
    if (hasStatus(kind, object)) this.#writer.observe(kind, key, object, version);
  }

  forget(kind: Kind, key: string): void {
    this.#writer.forget(kind, key);
  }

  publish(
    statuses: readonly RouteStatus[],
    gateways: GatewayReports | undefined,
    _problems: readonly string[] = [],
    addresses?: AddressReports,
    ingressAddresses?: readonly string[],
  ): void {
    this.#addresses = addresses;
    const before = this.#statuses;
    const routes = statuses.filter(({ listener, kind }) => listener === undefined && kind === undefined);
    const ingresses = this.#ingresses.publish(statuses, ingressAddresses);
    const gatewaysBefore = this.#gateways;
    const now = new Map(routes.map((status) => [keyOf(status.meta), status]));
    this.#statuses = now;
    this.#gateways = gateways;
    if (before === undefined || (gateways !== undefined && gatewaysBefore === undefined)) {
      this.#writer.review();
      return;
    }
    const gone = [...before.keys()].filter((key) => !now.has(key));
    const changed = [...now.keys()].filter((key) => now.get(key) !== before.get(key));
    this.#writer.reviewSome('Route', [...gone, ...changed]);
    this.#writer.reviewSome('Ingress', ingresses);
    this.#writer.reviewSome('GatewayClass', [...(gateways?.classes.keys() ?? [])]);
    this.#writer.reviewSome('Gateway', [...(gateways?.gateways.keys() ?? [])]);
    this.#writer.reviewSome('ListenerSet', [...(gateways?.sets.keys() ?? [])]);
    this.#writer.reviewSome('BackendTLSPolicy', [...(gateways?.policies.keys() ?? [])]);
    for (const kind of routeKinds) {
      const [known, current] = [gatewaysBefore?.routes[kind], gateways?.routes[kind]];
      const keys = [...(current?.keys() ?? [])].filter((key) => current?.get(key) !== known?.get(key));
      if (keys.length > 0) this.#writer.reviewSome(kind, keys);
    }
    this.#writer.reviewSome('Service', addresses?.services.keys() ?? []);
    this.#writer.reviewSome('IngressAddressPool', addresses?.pools.keys() ?? []);
  }

  /** Plans every status again, because this process may have become the writer. */
  review(): void {
    if (this.#statuses === undefined) return;
    this.#ingresses.tellAll();
    this.#writer.review();
  }

  /** Writes an Event, if this process is the writer. */
  tell(object: EventObject, words: EventWords): void {
    if (this.#leadership.isHeld) void this.#events.tell(object, words, this.#end.signal);
  }

  close(): void {
    this.#end.abort();
    this.#features.close();
    this.#writer.close();
  }

  #plan(key: string, object: SeenObject<Kind>): StatusChange | undefined {
    const now = new Date();
    const { controllerName } = this.#identity;
    switch (object.kind) {
      case 'Route':
        return this.#planRoute(key, object, now);
      case 'Ingress':
        return this.#ingresses.plan(key, object);
      case 'GatewayClass':
        return planGatewayClass(
          pick(this.#gateways?.classes.get(key), object),
          object,
          (features) => this.#features.select(features),
          now,
        );
      case 'Gateway':
        return planGateway(pick(this.#gateways?.gateways.get(key), object), object, now);
      case 'ListenerSet':
        return planListenerSet(pick(this.#gateways?.sets.get(key), object), object, now);
      case 'BackendTLSPolicy':
        return planPolicy(pick(this.#gateways?.policies.get(key), object), controllerName, object, now);
      case 'Service':
        return planBalancer(pick(this.#addresses?.services.get(key), object), object, now);
      case 'IngressAddressPool':
        return planPool(pick(this.#addresses?.pools.get(key), object), object, now);
      default: {
        const kind = routeKinds.find((one) => one === object.kind);
        const report = kind && this.#gateways?.routes[kind]?.get(key);
        return planGatewayRoute(pick(report, object), controllerName, object, now);
      }
    }
  }

  #planRoute(key: string, object: SeenObject<Kind>, now: Date): StatusChange | undefined {
    const status = this.#statuses?.get(key);
    // There is no decision yet about a Route that has replaced another of its name.
    if (status !== undefined && (status.isPending || isOther(status.meta.uid, object))) return undefined;
    return planRoute(status, this.#identity, object, now);
  }
}

/** Returns whether an object has replaced the one of the decision. */
function isOther(uid: string, { metadata }: SeenObject<Kind>): boolean {
  return typeof metadata.uid === 'string' && metadata.uid !== '' && metadata.uid !== uid;
}

/** Returns the report if it concerns this object and is final. */
function pick<Report extends { readonly uid: string; readonly isPending?: true }>(
  report: Report | undefined,
  object: SeenObject<Kind>,
): Report | undefined {
  return report === undefined || report.isPending || isOther(report.uid, object) ? undefined : report;
}

const kindsWithStatus: ReadonlySet<Kind> = new Set([
  'Route',
  'Ingress',
  'GatewayClass',
  'Gateway',
  'ListenerSet',
  'BackendTLSPolicy',
  ...routeKinds,
  'IngressAddressPool',
]);

/** Returns whether this controller may write the status of an object. Most Services have none. */
function hasStatus(kind: Kind, object: unknown): boolean {
  if (kind !== 'Service') return kindsWithStatus.has(kind);
  const spec = isRecord(object) && isRecord(object.spec) ? object.spec : {};
  return typeof spec.loadBalancerClass === 'string';
}
