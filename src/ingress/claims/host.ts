import { isHostName } from '../../base/read/object-meta.ts';

/** Returns whether a host can be served: a host name without final dot. */
export function isServableHost(host: string): boolean {
  return isHostName(host);
}

/** Returns the parent domain of a host, or undefined if there is none. */
export function parentOf(host: string): string | undefined {
  const dot = host.indexOf('.');
  return dot < 0 || dot === host.length - 1 ? undefined : host.slice(dot + 1);
}
