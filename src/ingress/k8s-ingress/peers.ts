import type { IngressBackend } from './ingress.ts';
import type { CanarySettings } from './settings.ts';

/** A backend that takes a share of a path of another Ingress. */
export interface Canary {
  /** Name of its Ingress. */
  readonly name: string;
  readonly backend: IngressBackend;
  readonly settings: CanarySettings;
}

/** The other Ingresses of the namespace that affect an Ingress. */
export interface Peers {
  /** Returns the name of the older Ingress that owns a path. Exact paths begin with `=`. Empty host: all. */
  ownerOf(host: string, place: string): string | undefined;
  /** Returns the canary of a path. */
  canaryOf(host: string, place: string): Canary | undefined;
  /** Returns whether another Ingress of the namespace names a host. */
  hasHost(host: string): boolean;
}
