import { parentOf } from '../claims/host.ts';
import type { Passthrough, Site, SitePath } from '../haproxy/model.ts';
import type { ServedRoute } from './served-route.ts';

/** The host of a Route as HAProxy's values have it: `*.example.com` for the names one label below. */
export function nameOf({ host, demand }: Pick<ServedRoute, 'host' | 'demand'>): string {
  return demand.isWildcard ? `*.${parentOf(host) ?? host}` : host;
}

/** The sites of Routes; one that says the same as before is the very same. */
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

/** The hosts whose TLS is not ended here; one that says the same as before is the very same. */
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
