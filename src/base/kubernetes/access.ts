/** A certificate, key or token: written down, or in a file that may be replaced while we run. */
export type Material =
  | { readonly kind: 'data'; readonly text: string; readonly origin: string }
  | { readonly kind: 'file'; readonly path: string };

/** A program that yields credentials (client.authentication.k8s.io). */
export interface ExecPlugin {
  readonly apiVersion: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Whether it is told of the cluster. */
  readonly needsCluster: boolean;
  readonly installHint: string | undefined;
}

/** Who we are for the API server. */
export interface Identity {
  /** A client certificate with its key. */
  readonly certificate?: { readonly certificate: Material; readonly key: Material };
  readonly token?: Material;
  readonly basic?: { readonly username: string; readonly password: string };
  readonly exec?: ExecPlugin;
  /** `Impersonate-*` headers. */
  readonly impersonation?: Readonly<Record<string, string | readonly string[]>>;
}

/** Address and credentials of an API server. */
export interface ClusterAccess {
  readonly server: URL;
  /** Whom to trust; absent: the system's authorities. */
  readonly authority?: Material;
  /** The name that its certificate must be for, if not the server's own (`tls-server-name`). */
  readonly serverName?: string;
  /** `insecure-skip-tls-verify`. */
  readonly isUnverified: boolean;
  /** An HTTP proxy that is asked to CONNECT. */
  readonly proxy?: URL;
  readonly identity: Identity;
  /** Where all this was read, for messages: `kubeconfig /root/.kube/config`. */
  readonly origin: string;
}

/** Where a material is, for messages. */
export function describeMaterial(material: Material): string {
  return material.kind === 'file' ? material.path : material.origin;
}

/** A host as it is written in URLs: IPv6 addresses in brackets. */
export function bracketHost(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

/** The host of a URL as sockets and certificates know it: without brackets. */
export function plainHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}
