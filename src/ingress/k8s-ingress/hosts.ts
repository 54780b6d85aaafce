import type { ClientDemand, SiteTls } from '../intent/site-request.ts';
import type { IngressSpec, IngressTls } from './ingress.ts';
import type { IngressSettings } from './settings.ts';

/** Returns the entry of `spec.tls` for a host: one that names it, one with its wildcard, or one without hosts. */
export function findTls({ tls }: IngressSpec, host: string): (IngressTls & { readonly index: number }) | undefined {
  const entries = tls.map((entry, index) => ({ ...entry, index }));
  const wildcard = host.replace(/^[^.]*/, '*');
  return (
    entries.find(({ hosts }) => hosts.includes(host)) ??
    entries.find(({ hosts }) => host !== '' && hosts.includes(wildcard)) ??
    entries.find(({ hosts }) => hosts.length === 0)
  );
}

/**
 * Returns the TLS of a host. As in ingress-nginx, every host is also served with TLS: one without an entry in
 * `spec.tls` with the default certificate.
 *
 * @param named the host whose entry counts
 * @param clients verification of clients. All requests without TLS are redirected.
 */
export function translateTls(
  spec: IngressSpec,
  host: string,
  settings: IngressSettings,
  named = host,
  clients?: ClientDemand,
): SiteTls {
  const found = findTls(spec, named);
  const { httpsRedirect, passthrough } = settings;
  const isRedirected =
    clients !== undefined || httpsRedirect === 'always' || (httpsRedirect === 'tls' && found !== undefined);
  const redirect = { plain: 'redirect' as const, redirectStatus: 308 as const };
  if (passthrough && host !== '') {
    return { end: 'endpoint', ...(isRedirected ? redirect : { plain: 'reject' as const }) };
  }
  const field = found === undefined ? '' : `spec.tls[${found.index}].secretName`;
  return {
    end: 'router',
    ...(isRedirected ? redirect : { plain: 'serve' as const }),
    ...(clients !== undefined && { clients }),
    // Requests for any other host can only get the default certificate.
    ...(found?.secret !== undefined &&
      host !== '' && {
        certificate: { from: 'secret' as const, name: found.secret, field, isOptional: true as const },
      }),
  };
}
