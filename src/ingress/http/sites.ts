import { parentOf } from '../claims/host.ts';
import type { Passthrough, Site, SitePath } from '../haproxy/model.ts';
import type { ServedRoute } from './served-route.ts';

/** Returns the host of a Route in HAProxy's form: `*.example.com` for names one label below. */
export function nameOf({ host, demand }: Pick<ServedRoute, 'host' | 'demand'>): string {
  return demand.isWildcard ? `*.${parentOf(host) ?? host}` : host;
}

/** Returns the sites of Routes. Equal sites reuse the previous objects. */
export function makeSites(
  served: readonly ServedRoute[],
  before: ReadonlyMap<string, Site> | undefined,
): readonly Site[] {
  const paths = new Map<string, SitePath[]>();
  for (const one of served) {
    const { tls, path } = one.demand;
    const isPlain = tls === undefined || tls.insecure === 'Allow';
    const plain = isPlain ? 'serve' : tls.insecure === 'Redirect' ? 'redirect' : undefined;
    const entry: SitePath = {
      path,
      ...(plain !== undefined && { plain }),
      secure: tls?.termination === 'edge' || tls?.termination === 'reencrypt',
      backend: one.backend.id,
    };
    const host = nameOf(one);
    const list = paths.get(host);
    if (list === undefined) paths.set(host, [entry]);
    else list.push(entry);
  }
  return Array.from(paths, ([host, list]) => {
    const site = { host, paths: list };
    const known = before?.get(host);
    return known !== undefined && isSame(known, site) ? known : site;
  });
}

/** Returns the passthrough hosts. Equal ones reuse the previous objects. */
export function makePassthrough(
  served: readonly ServedRoute[],
  before: ReadonlyMap<string, Passthrough> | undefined,
): readonly Passthrough[] {
  return served
    .filter(({ demand }) => demand.tls?.termination === 'passthrough')
    .map((one) => {
      const host = nameOf(one);
      const known = before?.get(host);
      return known?.backend === one.backend.id ? known : { host, backend: one.backend.id };
    });
}

function isSame({ paths: before }: Site, { paths: now }: Site): boolean {
  return (
    before.length === now.length &&
    before.every((one, index) => {
      const other = now[index];
      return (
        one.path === other?.path &&
        one.backend === other.backend &&
        one.plain === other.plain &&
        one.secure === other.secure
      );
    })
  );
}
