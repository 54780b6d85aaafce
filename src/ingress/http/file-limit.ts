import type { HostResources } from '../haproxy/host.ts';

/** Files that HAProxy needs beside connections: listeners, checks, its own sockets. */
const overhead = 1000;

/** Bytes that a connection takes: measured 20 to 25 KiB, TLS included. */
const connectionMemory = 25 * 1024;

/**
 * Share of the memory that connections may take. The rest is for configuration and certificates, and for
 * old workers, whose connections go on after a reload.
 */
const connectionShare = 0.6;

/** How many connections HAProxy can serve, and what allows no more. */
export interface ConnectionLimit {
  /** Absent: nothing is known. */
  readonly connections?: number;
  readonly what: 'open files' | 'memory';
}

/** How many connections fit what HAProxy's container has; each needs a file on both sides. */
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
