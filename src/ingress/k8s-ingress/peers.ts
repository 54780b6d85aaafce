import type { IngressBackend } from './ingress.ts';
import type { CanarySettings, IngressClients } from './settings.ts';

/** A backend that takes a share of a path of another Ingress. */
export interface Canary {
  /** Name of its Ingress. */
  readonly name: string;
  readonly backend: IngressBackend;
  readonly settings: CanarySettings;
}

/** How a host verifies its clients. */
export interface HostClients {
  /** Name and namespace of the Ingress that decides: the oldest one of the host with client certificates. */
  readonly name: string;
  readonly namespace: string;
  readonly clients: IngressClients;
  /** Whether an Ingress names the host in `spec.tls`. */
  readonly hasTls: boolean;
  /** Whether the TLS of the Ingress that decides ends at a server. */
  readonly isPassed: boolean;
}

/** The other Ingresses of the namespace that affect an Ingress. */
export interface Peers {
  /** Returns the name of the older Ingress that owns a path. Exact paths begin with `=`. Empty host: all. */
  ownerOf(host: string, place: string): string | undefined;
  /** Returns the canary of a path. */
  canaryOf(host: string, place: string): Canary | undefined;
  /** Returns how a host verifies its clients, or undefined if it does not. */
  clientsOf(host: string): HostClients | undefined;
  /** Returns whether another Ingress of the namespace names a host. */
  hasHost(host: string): boolean;
}
