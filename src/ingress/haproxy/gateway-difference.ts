import { changedKeys } from '../../base/model/layered-map.ts';
import { hostUsers, nameUsers } from './arrivals.ts';
import type { Command } from './command.ts';
import { innerDefault } from './files.ts';
import { clientEntries, endedNameEntries, hostEntries, placeEntries, tlsNameEntries } from './gateway-entries.ts';
import { innerFiles, innerName, innerNumbers, ownedFile } from './gateway-names.ts';
import type { InForce } from './layout.ts';
import type { Maps } from './maps.ts';
import type { HttpState } from './model.ts';
import type { Gateways } from './rule.ts';
import { diffEntries, type ReloadCause, type Steps, type Wait } from './steps.ts';

/**
 * Plans the changes of all listeners except the default one. A request sees the decision before or after the change,
 * never a mixture: states never change and exist before a path leads to them, paths exist before their name,
 * and names before their place. They are removed in reverse.
 */
export function planGateways(before: InForce, after: InForce, rerouted: ReadonlySet<string>, steps: Steps): void {
  // Without the settings, HAProxy has not loaded the maps.
  if (before.state.settings.gateways === undefined) return;
  const [old, now] = [before.state.gateways, after.state.gateways];
  const hosts = changedKeys(old.hosts, now.hosts);
  const names = changedKeys(old.tlsNames, now.tlsNames);
  const ended = changedKeys(old.endedNames, now.endedNames);
  if (rerouted.size > 0) {
    for (const { gateways } of [before.state, after.state]) {
      for (const key of hostUsers.find(gateways.hosts, rerouted)) hosts.add(key);
      for (const key of nameUsers.find(gateways.tlsNames, rerouted)) names.add(key);
      for (const key of nameUsers.find(gateways.endedNames, rerouted)) ended.add(key);
    }
  }
  const late: Steps = { ...steps, route: [] };
  diffEntries(placeEntries(old), placeEntries(now), late, 'route');
  for (const name of ended) diffEntries(endedNameEntries(before, name), endedNameEntries(after, name), steps, 'route');
  for (const name of names) diffEntries(tlsNameEntries(before, name), tlsNameEntries(after, name), late, 'route');
  const changes = [...hosts].map((key) => [hostEntries(before, key), hostEntries(after, key)] as const);
  for (const [last, next] of changes) diffEntries(pick(last, ['names']), pick(next, ['names']), late, 'route');
  for (const [last, next] of changes) {
    diffEntries(pick(last, ['sites']), pick(next, ['sites']), steps, 'route');
    const states = ['edges', 'patterns', 'redirects'] as const;
    diffEntries(pick(last, states), pick(next, states), steps, 'feature');
  }
  // Avoid push with spread: a call cannot have hundreds of thousands of arguments.
  for (const command of late.route.reverse()) steps.route.push(command);
}

/**
 * Plans the default certificates and client authorities of inner frontends. Returns the listeners without those that wait
 * for a reload.
 *
 * @param wanted the settings in force, and the desired listeners
 * @param room bytes of content that one command can have
 */
export function planInner(
  { state: before, layout }: InForce,
  wanted: Pick<HttpState, 'settings' | 'gateways'>,
  room: number,
  { steps, wait }: { readonly steps: Steps; readonly wait: Wait },
): Gateways {
  const { gateways } = wanted;
  if (before.settings.gateways === undefined) return gateways;
  const { owners } = gateways;
  const defaults = planDefaults(before, wanted, { room, frozen: layout.frozen }, steps, (cause, number) =>
    wait(cause, ownedFile(innerFiles(number).certificate, owners.get(number)?.defaults)),
  );
  const clients = planClients(before.gateways.clients, gateways.clients, room, steps, (number) =>
    wait('size', ownedFile(innerFiles(number).authorities, owners.get(number)?.clients)),
  );
  const isComplete = defaults === gateways.defaults && clients === gateways.clients;
  return isComplete ? gateways : { ...gateways, defaults, clients };
}

/** Plans the default certificates of inner frontends, and returns those in force. */
function planDefaults(
  before: HttpState,
  wanted: Pick<HttpState, 'settings' | 'gateways'>,
  { room, frozen }: { readonly room: number; readonly frozen: ReadonlySet<string> },
  steps: Steps,
  wait: (cause: ReloadCause, number: number) => void,
): Gateways['defaults'] {
  const kept = new Map<number, string>();
  for (const number of before.settings.gateways === undefined ? [] : innerNumbers(before.settings.gateways)) {
    const [old, pem] = [innerDefault(before, number), innerDefault(wanted, number)];
    if (old === pem) continue;
    const file = innerFiles(number).certificate;
    if (pem.length > room || frozen.has(file)) {
      wait(pem.length > room ? 'size' : 'frozen', number);
      kept.set(number, old);
    } else steps.prepare.push({ kind: 'load-certificate', file, pem, new: false });
  }
  const { defaults } = wanted.gateways;
  return kept.size === 0 ? defaults : new Map([...defaults, ...kept]);
}

/**
 * Plans the authorities of client certificates. A frontend that changes hands accepts no request until all changes are
 * made: a connection verified by the authorities of one listener must never reach another. So does one whose
 * authorities are too long for the runtime socket, until a reload. Returns the authorities in force.
 */
function planClients(
  old: Gateways['clients'],
  now: Gateways['clients'],
  room: number,
  steps: Steps,
  wait: (number: number) => void,
): Gateways['clients'] {
  const held = new Set<number>();
  for (const [number, { scope, pem }] of now) {
    const last = old.get(number);
    if (last?.scope === scope && last.pem === pem) continue;
    const file = innerFiles(number).authorities;
    if (pem.length > room) {
      wait(number);
      held.add(number);
    } else steps.prepare.push({ kind: 'load-authority', file, pem, new: false });
  }
  const digests = (clients: typeof now) => clientEntries({ clients }).get('clients') ?? new Map<string, string>();
  const [last, next] = [digests(old), digests(now)];
  const isSame = (number: number) => old.get(number)?.scope === now.get(number)?.scope && !held.has(number);
  const closing: Command[] = [];
  for (const number of new Set([...old.keys(), ...now.keys()])) {
    const key = innerName(number);
    const [from, to] = [last.get(key), next.get(key)];
    if (from === to && !held.has(number)) continue;
    const map = 'clients';
    if (from !== undefined && to !== undefined && isSame(number)) {
      steps.adjust.push({ kind: 'set-entry', map, key, value: to });
      continue;
    }
    if (from !== undefined) closing.push({ kind: 'delete-entry', map, key });
    if (to !== undefined && !held.has(number)) steps.adjust.push({ kind: 'add-entry', map, key, value: to });
  }
  steps.prepare.unshift(...closing);
  return held.size === 0 ? now : new Map([...now].filter(([number]) => !held.has(number)));
}

function pick(maps: Maps, names: readonly (typeof maps extends Map<infer K, unknown> ? K : never)[]): Maps {
  return new Map(names.map((name) => [name, maps.get(name) ?? new Map<string, string>()]));
}
