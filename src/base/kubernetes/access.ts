/** A certificate, key or token: inline, or in a file that may be replaced at any time. */
export type Material =
  | { readonly kind: 'data'; readonly text: string; readonly origin: string }
  | { readonly kind: 'file'; readonly path: string };

/** A program that prints credentials (client.authentication.k8s.io). */
export interface ExecPlugin {
  readonly apiVersion: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Whether the plugin receives the cluster's data (`provideClusterInfo`). */
  readonly needsCluster: boolean;
  readonly installHint: string | undefined;
}

/** Credentials for the API server. */
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
  /** The authority that must have signed the server's certificate. Absent: the system's authorities. */
  readonly authority?: Material;
  /** The name that the server's certificate must contain, if it differs from the host (`tls-server-name`). */
  readonly serverName?: string;
  /** `insecure-skip-tls-verify`. */
  readonly isUnverified: boolean;
  /** An HTTP proxy for CONNECT. */
  readonly proxy?: URL;
  readonly identity: Identity;
  /** Source of this configuration, for messages: `kubeconfig /root/.kube/config`. */
  readonly origin: string;
}

/** Describes where a material comes from, for messages. */
export function describeMaterial(material: Material): string {
  return material.kind === 'file' ? material.path : material.origin;
}

/** Formats a host for a URL: IPv6 addresses in brackets. */
export function bracketHost(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

/** Returns the host of a URL without brackets, as sockets and certificates expect it. */
export function plainHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}
