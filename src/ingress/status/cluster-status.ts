import type { KubeApi } from '../../cluster/port.ts';
import type { AgentLog } from '../../daemon/log.ts';
import type { GatewayReports } from '../gateway/gateway-status.ts';
import type { AgentKind } from '../objects/objects.ts';
import { GatewayStatusWriter } from './gateway-status-writer.ts';
import { RouteStatusWriter } from './route-status.ts';
import type { RouterIdentity, RouteStatus, StatusSink } from './status.ts';
import type { Writer } from './status-writer.ts';

/** Writes all statuses to the API server: those of Routes, and those of Gateways and their routes. */
export class ClusterStatus implements StatusSink {
  readonly #routes: RouteStatusWriter;
  readonly #gateways: GatewayStatusWriter;

  constructor(api: KubeApi, identity: RouterIdentity, writer: Writer, log: AgentLog) {
    this.#routes = new RouteStatusWriter(api, identity, writer, log);
    this.#gateways = new GatewayStatusWriter(api, writer, log);
  }

  /** Hears of an object as the API server shows it. */
  observe(kind: AgentKind, key: string, object: unknown): void {
    if (kind === 'Route') this.#routes.observe(key, object);
    else this.#gateways.observe(kind, key, object);
  }

  /** Hears that an object is gone. */
  forget(kind: AgentKind, key: string): void {
    if (kind === 'Route') this.#routes.forget(key);
    else this.#gateways.forget(kind, key);
  }

  publish(statuses: readonly RouteStatus[], gateways: GatewayReports | undefined): void {
    this.#routes.publish(statuses);
    if (gateways !== undefined) this.#gateways.publish(gateways);
  }

  /** Looks at everything again: we may have become the writer. */
  review(): void {
    this.#routes.review();
    this.#gateways.review();
  }

  close(): void {
    this.#routes.close();
    this.#gateways.close();
  }
}
