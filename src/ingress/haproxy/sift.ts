import { listLine } from './command.ts';
import { certificateEntries } from './entries.ts';
import { featureEntries, makeRoute } from './features.ts';
import { checkTlsName, siftPlaces } from './gateway-entries.ts';
import type { Backend, Certificate, HttpState, Site } from './model.ts';
import { backendLists, checkNetworks } from './networks.ts';
import { plainEntries, secureEntries } from './paths.ts';
import { checkHost, UnfitValue } from './quote.ts';
import type { TlsName, VirtualHost } from './rule.ts';
import { authorityFile, listAuthorities, makeSection } from './section.ts';
import { checkHostRules } from './virtual-host.ts';

/** A part of a state that cannot be served, with the reason. */
export interface Refusal {
  readonly kind: 'backend' | 'site' | 'passthrough' | 'certificate' | 'authority' | 'virtual host' | 'TLS name';
  /** ID, host, name or key. */
  readonly name: string;
  readonly reason: string;
}

type Part = Backend | Site | Certificate | VirtualHost | TlsName | { readonly host: string };

/** Parts that passed the check. Consecutive states share most of their parts. */
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
    for (const [name, part] of parts) {
      const ban = banned.size > 0 ? banned.get(part) : undefined;
      if (ban === undefined && fit.has(part)) continue;
      const reason = ban?.reason ?? reasonOf(() => check(part));
      if (reason === undefined) fit.add(part);
      else {
        refused.push({ kind, name, reason });
        bad.add(name);
      }
    }
    return bad.size === 0 ? parts : new Map([...parts].filter(([name]) => !bad.has(name)));
  };
  const authorities = new Map<string, string>();
  for (const [name, pem] of state.authorities) {
    const reason = reasonOf(() => authorityFile(name, pem));
    if (reason === undefined) authorities.set(name, pem);
    else refused.push({ kind: 'authority', name, reason });
  }
  const backends = sift('backend', state.backends, checkBackend);
  const orphans = [...backends.values()].filter((backend) =>
    listAuthorities(backend).some((name) => !authorities.has(name)),
  );
  for (const { id } of orphans) refused.push({ kind: 'backend', name: id, reason: 'its authority does not exist' });
  const lost = new Set(orphans);
  return {
    state: {
      settings: state.settings,
      sites: sift('site', state.sites, checkSite),
      passthrough: sift('passthrough', state.passthrough, ({ host }) => void checkHost(host)),
      backends: lost.size === 0 ? backends : new Map([...backends].filter(([, backend]) => !lost.has(backend))),
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

function checkBackend(backend: Backend): void {
  makeSection(backend, new Map());
  makeRoute(backend, backend.id, 'append');
  featureEntries(backend, backend.id);
  for (const list of backendLists(backend)) checkNetworks(list);
}

function checkSite(site: Site): void {
  plainEntries(site, () => 'section');
  secureEntries(site, () => 'section');
}

function checkCertificate(certificate: Certificate): void {
  if (certificate.hosts.length === 0) throw new UnfitValue('the certificate has no host');
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
