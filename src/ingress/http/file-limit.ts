import type { HostResources } from '../haproxy/host.ts';

/** Open files that HAProxy needs in addition to connections: listeners, checks, its own sockets. */
const overhead = 1000;

/** Memory of a connection in bytes; measured 20 to 25 KiB, including TLS. */
const connectionMemory = 25 * 1024;

/**
 * Share of the memory for connections. The rest is for configuration and certificates, and for old workers, whose
 * connections continue after a reload.
 */
const connectionShare = 0.6;

/** Maximum number of connections of HAProxy, and the limiting resource. */
export interface ConnectionLimit {
  /** Absent: unknown. */
  readonly connections?: number;
  readonly what: 'open files' | 'memory';
}

/** Returns how many connections the resources of HAProxy's container allow. Each needs a file on both sides. */
export function findConnectionLimit({ files, memoryLimit }: HostResources): ConnectionLimit {
  const byFiles = files === undefined ? Number.POSITIVE_INFINITY : Math.max(100, Math.floor((files - overhead) / 2));
  const byMemory =
    memoryLimit === undefined
      ? Number.POSITIVE_INFINITY
      : Math.max(100, Math.floor((memoryLimit * connectionShare) / connectionMemory));
  const connections = Math.min(byFiles, byMemory);
  return {
    ...(Number.isFinite(connections) && { connections }),
    what: byMemory < byFiles ? 'memory' : 'open files',
  };
}
