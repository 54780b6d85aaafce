import { isHostName } from '../../base/read/object-meta.ts';

/** Whether a host can be served: a host name without a final dot. */
export function isServableHost(host: string): boolean {
  return isHostName(host);
}

/** The domain one label above a host; undefined where there is none. */
export function parentOf(host: string): string | undefined {
  const dot = host.indexOf('.');
  return dot < 0 || dot === host.length - 1 ? undefined : host.slice(dot + 1);
}
