import { baseOf, entriesAboveBase, MapDraft } from '../../base/model/layered-map.ts';
import { listLine } from './command.ts';
import { certificateEntries } from './entries.ts';
import { featureEntries, makeRoute } from './features.ts';
import { checkTlsName, siftPlaces } from './gateway-entries.ts';
import type { Backend, Certificate, HttpState, Site } from './model.ts';
import { backendLists, checkNetworks } from './networks.ts';
import { guardEntries, plainEntries, secureEntries } from './paths.ts';
import { checkHost, checkPem, UnfitValue } from './quote.ts';
import type { TlsName, VirtualHost } from './rule.ts';
import { checkAuthorityName, listAuthorities, makeSection } from './section.ts';
import { UserIndex } from './user-index.ts';
import { verifiedEntries } from './verified-sites.ts';
import { checkHostRules } from './virtual-host.ts';

/** A part of a state that cannot be served, with the reason. */
export interface Refusal {
  readonly kind: 'backend' | 'site' | 'passthrough' | 'certificate' | 'authority' | 'virtual host' | 'TLS name';
  /** ID, host, name or key. */
  readonly name: string;
  readonly reason: string;
}

type Part = Backend | Site | Certificate | VirtualHost | TlsName | { readonly host: string };

/** Parts, and maps of parts, that passed the check. Consecutive states share most of their parts. */
const fit = new WeakSet<object>();

/**
 * Returns the part of a state that can be rendered, and the rejected parts. `banned` are parts that HAProxy has
 * rejected.
 */
export function siftState(
  state: HttpState,
  banned: ReadonlyMap<object, Refusal> = new Map(),
): { readonly state: HttpState; readonly refused: readonly Refusal[] } {
  const refused: Refusal[] = [];
  const sift = <V extends Part>(kind: Refusal['kind'], parts: ReadonlyMap<string, V>, check: (part: V) => void) => {
    const bad = new Set<string>();
    const base = baseOf(parts);
    const isBaseFit = banned.size === 0 && fit.has(base);
    for (const [name, part] of isBaseFit ? entriesAboveBase(parts) : parts) {
      const ban = banned.size > 0 ? banned.get(part) : undefined;
      if (ban === undefined && fit.has(part)) continue;
      const reason = ban?.reason ?? reasonOf(() => check(part));
      if (reason === undefined) fit.add(part);
      else {
        refused.push({ kind, name, reason });
        bad.add(name);
      }
    }
    if (bad.size === 0) {
      if (parts === base && banned.size === 0) fit.add(base);
      return parts;
    }
    return without(parts, bad);
  };
  const badAuthorities = new Set<string>();
  for (const [name, pem] of state.authorities) {
    const reason = reasonOf(() => {
      checkAuthorityName(name);
      checkPem(pem);
    });
    if (reason === undefined) continue;
    badAuthorities.add(name);
    refused.push({ kind: 'authority', name, reason });
  }
  const authorities = without(state.authorities, badAuthorities);
  const backends = sift('backend', state.backends, checkBackend);
  const orphans = new Set(findOrphans(backends, authorities));
  for (const name of orphans) refused.push({ kind: 'backend', name, reason: 'its authority does not exist' });
  return {
    state: {
      settings: state.settings,
      sites: sift('site', state.sites, checkSite),
      passthrough: sift('passthrough', state.passthrough, ({ host }) => void checkHost(host)),
      backends: without(backends, orphans),
      certificates: sift('certificate', state.certificates, checkCertificate),
      authorities,
      gateways: {
        ...siftPlaces(state.gateways),
        hosts: sift('virtual host', state.gateways.hosts, checkHostRules),
        tlsNames: sift('TLS name', state.gateways.tlsNames, (name) => void checkTlsName(name)),
        endedNames: sift('TLS name', state.gateways.endedNames, (name) => void checkTlsName(name)),
      },
    },
    refused,
  };
}

function without<V>(parts: ReadonlyMap<string, V>, names: ReadonlySet<string>): ReadonlyMap<string, V> {
  const left = new MapDraft(parts);
  for (const name of names) left.delete(name);
  return left.finish();
}

const authorityUsers = new UserIndex<Backend>((backend) =>
  listAuthorities(backend).length === 0 ? [] : [anyAuthority],
);
const anyAuthority = '*';

/** Returns the backends whose authority does not exist. */
function* findOrphans(
  backends: ReadonlyMap<string, Backend>,
  authorities: ReadonlyMap<string, string>,
): Iterable<string> {
  for (const id of authorityUsers.find(backends, new Set([anyAuthority]))) {
    const backend = backends.get(id);
    if (backend !== undefined && listAuthorities(backend).some((name) => !authorities.has(name))) yield id;
  }
}

function checkBackend(backend: Backend): void {
  makeSection(backend, new Map());
  makeRoute(backend, backend.id, 'append');
  featureEntries(backend, backend.id);
  for (const list of backendLists(backend)) checkNetworks(list);
}

function checkSite(site: Site): void {
  const plain = plainEntries(site, () => 'section');
  const secure = secureEntries(site, () => 'section');
  if (site.clients !== undefined) verifiedEntries(site, site.clients, plain, secure);
  guardEntries(site);
}

function checkCertificate(certificate: Certificate): void {
  if (certificate.hosts.length === 0) throw new UnfitValue('the certificate has no host');
  checkPem(certificate.pem);
  listLine(certificate);
  certificateEntries(certificate);
}

/** Returns the message of an {@link UnfitValue}. Other errors are bugs and propagate. */
function reasonOf(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof UnfitValue) return error.message;
    throw error;
  }
}
