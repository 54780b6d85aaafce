import { isDeepStrictEqual } from 'node:util';
import { changedKeys, MapDraft } from '../../base/model/layered-map.ts';
import { passthroughUsers, siteUsers } from './arrivals.ts';
import { type Command, certificateFile, defaultCertificateFile } from './command.ts';
import { certificateEntries, nameEntries, parentOf, siteEntries } from './entries.ts';
import { findFrozen } from './frozen.ts';
import { planGateways, planInner } from './gateway-difference.ts';
import type { InForce } from './layout.ts';
import type { Maps } from './maps.ts';
import type { Certificate, HttpState, Settings } from './model.ts';
import { placeBackends } from './placement.ts';
import { authorityFile, listLoaded } from './section.ts';
import { diffEntries, type ReloadCause, type Steps, type Wait } from './steps.ts';

/** Runtime commands and the resulting state. */
export interface Change {
  readonly commands: readonly Command[];
  readonly after: InForce;
  /** Changes that need a reload, by cause: names of backends, certificates and authorities, or `settings`. */
  readonly waiting: ReadonlyMap<ReloadCause, readonly string[]>;
}

/**
 * Plans the change from the applied state to a desired state without a reload, as far as possible. What HAProxy
 * cannot change at run time stays as it is and is listed. Throws {@link UnfitValue} for values that cannot be
 * rendered.
 */
export function planChange(before: InForce, wanted: HttpState): Change {
  const steps: Steps = { prepare: [], list: [], route: [], unroute: [], adjust: [], remove: [] };
  const waiting = new Map<ReloadCause, string[]>();
  const wait: Wait = (cause, name) => {
    const names = waiting.get(cause);
    if (names === undefined) waiting.set(cause, [name]);
    else names.push(name);
  };
  const settings = planSettings(before.state.settings, wanted.settings, steps, wait);
  // A command must fit into a buffer, with room for the words before the content.
  const room = settings.process.bufsize - 1024;
  const authorities = planAuthorities(before, wanted, room, steps, wait);
  const certificates = planCertificates(before, wanted.certificates, room, steps, wait);
  const placed = placeBackends(before, wanted, authorities.inForce, steps, wait);
  const gateways = planInner(before, { settings, gateways: wanted.gateways }, room, { steps, wait });
  const after: InForce = {
    state: {
      settings,
      sites: wanted.sites,
      passthrough: wanted.passthrough,
      certificates,
      authorities: authorities.inForce,
      backends: placed.backends,
      gateways,
    },
    layout: { ...placed.layout, authorities: authorities.known, frozen: findFrozen(before, steps) },
  };
  planRoutes(before, after, placed.rerouted, steps);
  planGateways(before, after, placed.rerouted, steps);
  const { prepare, list, route, unroute, adjust, remove } = steps;
  return { commands: [...prepare, ...list, ...route, ...unroute, ...adjust, ...remove], after, waiting };
}

function planSettings(before: Settings, wanted: Settings, steps: Steps, wait: Wait): Settings {
  if (before === wanted) return before;
  const pem = wanted.tls.defaultCertificate;
  // The default certificate is the only setting that changes on its own, every few weeks.
  const renewed = { ...before, tls: { ...before.tls, defaultCertificate: pem } };
  if (!isDeepStrictEqual(renewed, wanted) || pem.length > before.process.bufsize - 1024) {
    if (isDeepStrictEqual(before, wanted)) return before;
    wait('settings', 'settings');
    return before;
  }
  if (pem !== before.tls.defaultCertificate) {
    steps.prepare.push({ kind: 'load-certificate', file: defaultCertificateFile, pem, new: false });
  }
  return renewed;
}

function planAuthorities(
  before: InForce,
  wanted: HttpState,
  room: number,
  steps: Steps,
  wait: Wait,
): { readonly inForce: ReadonlyMap<string, string>; readonly known: ReadonlySet<string> } {
  const old = before.state.authorities;
  const changed = changedKeys(old, wanted.authorities);
  for (const name of findMissing(before, wanted)) changed.add(name);
  if (changed.size === 0) return { inForce: old, known: before.layout.authorities };
  const known = new Set(before.layout.authorities);
  const inForce = new MapDraft(old);
  let isComplete = true;
  for (const name of changed) {
    const [last, pem] = [old.get(name), wanted.authorities.get(name)];
    if (pem === undefined) {
      inForce.delete(name);
      continue;
    }
    if (last !== pem && pem.length > room) {
      wait('size', name);
      isComplete = false;
      continue;
    }
    inForce.set(name, pem);
    const file = authorityFile(name, pem);
    if (known.has(file)) continue;
    if (pem.length > room) {
      wait('size', name);
      continue;
    }
    // Certificates that the router presents to servers come with their key.
    const kind = pem.includes(' PRIVATE KEY-----') ? 'load-certificate' : 'load-authority';
    steps.prepare.push({ kind, file, pem, new: true });
    known.add(file);
  }
  return { inForce: isComplete ? wanted.authorities : inForce.finish(), known };
}

/** Returns the authorities that servers of changed backends need and HAProxy has not loaded. */
function findMissing({ state, layout }: InForce, wanted: HttpState): readonly string[] {
  if (wanted.authorities.size === 0) return [];
  return [...changedKeys(state.backends, wanted.backends)].flatMap((id) => {
    const backend = wanted.backends.get(id);
    if (backend === undefined) return [];
    return [...listLoaded(backend)].filter((name) => {
      const pem = wanted.authorities.get(name);
      return pem !== undefined && !layout.authorities.has(authorityFile(name, pem));
    });
  });
}

function planCertificates(
  { state: { certificates: before }, layout: { frozen } }: InForce,
  wanted: ReadonlyMap<string, Certificate>,
  room: number,
  steps: Steps,
  wait: Wait,
): ReadonlyMap<string, Certificate> {
  const inForce = new MapDraft(before);
  const listed: Certificate[] = [];
  const relisted: Certificate[] = [];
  const changed = changedKeys(before, wanted);
  /** Hosts of new certificates that wait for a reload. */
  const awaited = new Set<string>();
  let isComplete = true;
  for (const name of changed) {
    const [last, certificate] = [before.get(name), wanted.get(name)];
    if (certificate === undefined) continue;
    const renewed = last?.pem !== certificate.pem;
    const file = certificateFile(name);
    const cause = certificate.pem.length > room ? 'size' : frozen.has(file) ? 'frozen' : undefined;
    if (renewed && cause !== undefined) {
      wait(cause, name);
      isComplete = false;
      for (const key of hostKeys(certificate)) awaited.add(key);
      continue;
    }
    inForce.set(name, certificate);
    if (renewed) steps.prepare.push({ kind: 'load-certificate', file, pem: certificate.pem, new: last === undefined });
    const isRelisted =
      last?.http2 !== certificate.http2 ||
      last.inner !== certificate.inner ||
      !isDeepStrictEqual(last.hosts, certificate.hosts);
    if (!isRelisted) continue;
    if (last !== undefined) steps.list.push({ kind: 'unlist-certificate', certificate: last });
    steps.list.push({ kind: 'list-certificate', certificate });
    if (last !== undefined) listed.push(last);
    relisted.push(certificate);
  }
  for (const name of changed) {
    const certificate = before.get(name);
    if (wanted.has(name) || certificate === undefined) continue;
    // Its hosts need it until HAProxy has loaded the successor.
    if (hostKeys(certificate).some((key) => awaited.has(key))) {
      isComplete = false;
      continue;
    }
    inForce.delete(name);
    listed.push(certificate);
    steps.remove.push(
      { kind: 'unlist-certificate', certificate },
      { kind: 'forget-certificate', file: certificateFile(name) },
    );
  }
  // Compared as a whole: a host that moves between certificates keeps its entry.
  diffEntries(http2Entries(listed), http2Entries(relisted), steps, 'feature');
  return isComplete ? wanted : inForce.finish();
}

/** Returns the hosts of a certificate within its frontend and namespace. */
function hostKeys({ name, hosts, inner }: Certificate): readonly string[] {
  return hosts.map((host) => `${name.split(':')[0]}|${inner ?? ''}|${host}`);
}

function http2Entries(certificates: readonly Certificate[]): Maps {
  const entries = certificates.flatMap((one) => [...(certificateEntries(one).get('http2') ?? [])]);
  return new Map([['http2', new Map(entries)]]);
}

/** Plans the entries of hosts and names that may differ: those that changed, and those of backends that moved. */
function planRoutes(before: InForce, after: InForce, rerouted: ReadonlySet<string>, steps: Steps): void {
  const hosts = changedKeys(before.state.sites, after.state.sites);
  const names = changedKeys(before.state.passthrough, after.state.passthrough);
  const wildcards = new Set([...names].filter((name) => name.startsWith('*.')).map(parentOf));
  if (rerouted.size > 0) {
    for (const { sites, passthrough } of [before.state, after.state]) {
      for (const host of siteUsers.find(sites, rerouted)) hosts.add(host);
      for (const host of passthroughUsers.find(passthrough, rerouted)) names.add(host);
    }
  }
  for (const host of hosts) {
    const [last, next] = [before, after].map(({ state }) => state.sites.get(host)?.clients?.inner ?? 0);
    if (host.startsWith('*.') && last !== next) wildcards.add(parentOf(host));
  }
  if (wildcards.size > 0)
    for (const host of after.state.sites.keys()) if (wildcards.has(parentOf(host))) names.add(host);
  for (const host of hosts) {
    diffEntries(siteEntries(before, host), siteEntries(after, host), steps, 'route');
    names.add(host);
  }
  for (const name of names) diffEntries(nameEntries(before, name), nameEntries(after, name), steps, 'route');
}

/** Applies commands to the map entries, for the files. */
export function applyToMaps(maps: Maps, commands: readonly Command[]): void {
  for (const command of commands) {
    if (command.kind === 'add-entry' || command.kind === 'set-entry')
      maps.get(command.map)?.set(command.key, command.value);
    else if (command.kind === 'delete-entry') maps.get(command.map)?.delete(command.key);
  }
}
