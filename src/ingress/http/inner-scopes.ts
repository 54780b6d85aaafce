import type { InnerKind } from '../haproxy/gateway-names.ts';
import type { SiteListener } from '../intent/listener.ts';
import { type Place, patternOf } from './gateway-places.ts';

/** Listeners of a place that share an inner frontend. */
export interface InnerScope {
  /** Unique among all places: the name of the place for listeners of requests without client certificates. */
  readonly key: string;
  readonly kind: InnerKind;
  readonly place: Place;
  /** By hostname, as in the place. */
  readonly listeners: ReadonlyMap<string, SiteListener>;
}

/** Returns the groups of a place's listeners whose TLS the router terminates. */
export function listScopes(place: Place): readonly InnerScope[] {
  const scopes = new Map<string, InnerScope & { readonly listeners: Map<string, SiteListener> }>();
  for (const listener of place.listeners.values()) {
    const kind = kindOf(listener);
    if (kind === undefined) continue;
    const key = scopeKey(place, listener, kind);
    const known = scopes.get(key) ?? { key, kind, place, listeners: new Map<string, SiteListener>() };
    scopes.set(key, known);
    known.listeners.set(patternOf(listener), listener);
  }
  return [...scopes.values()];
}

/** Returns the key of a listener's scope. Undefined: the router does not terminate its TLS. */
export function scopeOf(place: Place, listener: SiteListener): string | undefined {
  const kind = kindOf(listener);
  return kind && scopeKey(place, listener, kind);
}

function kindOf({ tls, protocol }: SiteListener): InnerKind | undefined {
  if (tls?.end !== 'router') return undefined;
  if (protocol === 'TLS') return 'tcp';
  if (tls.clients === undefined) return 'http';
  return tls.clients.isOptional === true ? 'optional' : 'required';
}

function scopeKey({ name }: Place, { tls }: SiteListener, kind: InnerKind): string {
  return kind === 'http' ? name : `${name} ${kind} ${tls?.clients?.name ?? ''}`;
}
