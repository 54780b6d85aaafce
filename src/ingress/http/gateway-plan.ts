import type { Backend, Certificate } from '../haproxy/model.ts';
import { type Gateways, noGateways } from '../haproxy/rule.ts';
import type { SiteListener } from '../intent/listener.ts';
import type { SiteRequest } from '../intent/site-request.ts';
import type { Translation } from './gateway-slots.ts';
import type { ServedSite } from './served-site.ts';

/** The plan for all listeners except the default one. */
export interface GatewayPlan {
  readonly gateways: Gateways;
  readonly backends: ReadonlyMap<string, Backend>;
  /** CA and client certificates of backends by name. */
  readonly authorities: ReadonlyMap<string, string>;
  readonly certificates: readonly Certificate[];
  /** Their host is a pattern: a host, `*.` and a domain for all names below it, or `*`. */
  readonly served: readonly ServedSite[];
  readonly refused: readonly RefusedAtListener[];
  readonly listeners: readonly ListenerVerdict[];
  readonly translations: readonly Translation[];
}

/** The plan without such listeners. */
export const noGatewayPlan: GatewayPlan = {
  gateways: noGateways,
  backends: new Map(),
  authorities: new Map(),
  certificates: [],
  served: [],
  refused: [],
  listeners: [],
  translations: [],
};

/** A request that is not served, with a reason of the Gateway API. */
export interface RefusedAtListener {
  readonly request: SiteRequest;
  readonly reason: string;
  readonly message: string;
}

/** State of a listener. */
export interface ListenerVerdict {
  readonly listener: SiteListener;
  /** Not decided yet, because a Secret has not been read. */
  readonly isWaiting?: true;
  /** Reason of a rejection. */
  readonly reason?: string;
  readonly message?: string;
  /** Names of its certificates and client authorities among pending changes. */
  readonly needs?: readonly string[];
}
