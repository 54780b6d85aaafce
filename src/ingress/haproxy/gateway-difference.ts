import { changedKeys } from '../../base/model/layered-map.ts';
import { defaultCertificates } from './files.ts';
import { hostEntries, placeEntries, tlsNameEntries } from './gateway-entries.ts';
import type { InForce } from './layout.ts';
import type { Maps } from './maps.ts';
import type { Target, TlsName, VirtualHost } from './rule.ts';
import { diffEntries, type Steps, type Wait } from './steps.ts';
import { UserIndex } from './user-index.ts';

/**
 * Plans the changes of all listeners except the default one. A request sees the decision before or after the change,
 * never a mixture: states never change and exist before a path leads to them, paths exist before their name,
 * and names before their place. They are removed in reverse.
 */
export function planGateways(
  before: InForce,
  after: InForce,
  rerouted: ReadonlySet<string>,
  room: number,
  { steps, wait }: { readonly steps: Steps; readonly wait: Wait },
): void {
  // Without the settings, HAProxy has not loaded the maps.
  if (before.state.settings.gateways === undefined) return;
  const [old, now] = [before.state.gateways, after.state.gateways];
  planDefaults(before, after, room, { steps, wait });
  const hosts = changedKeys(old.hosts, now.hosts);
  const names = changedKeys(old.tlsNames, now.tlsNames);
  if (rerouted.size > 0) {
    for (const { gateways } of [before.state, after.state]) {
      for (const key of hostUsers.find(gateways.hosts, rerouted)) hosts.add(key);
      for (const key of nameUsers.find(gateways.tlsNames, rerouted)) names.add(key);
    }
  }
  const late: Steps = { ...steps, route: [] };
  diffEntries(placeEntries(old), placeEntries(now), late, 'route');
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

/** Plans the default certificates of inner frontends. */
function planDefaults(
  before: InForce,
  after: InForce,
  room: number,
  { steps, wait }: { readonly steps: Steps; readonly wait: Wait },
): void {
  const old = defaultCertificates(before.state);
  for (const [file, pem] of defaultCertificates(after.state)) {
    if (old.get(file) === pem) continue;
    if (pem.length > room) wait('size', file);
    else steps.prepare.push({ kind: 'load-certificate', file, pem, new: false });
  }
}

function pick(maps: Maps, names: readonly (typeof maps extends Map<infer K, unknown> ? K : never)[]): Maps {
  return new Map(names.map((name) => [name, maps.get(name) ?? new Map<string, string>()]));
}

function listBackends(target: Target): readonly string[] {
  if (target.kind === 'split') return target.parts.flatMap((part) => listBackends(part.target));
  return target.kind === 'backend' ? [target.backend] : [];
}

const hostUsers = new UserIndex<VirtualHost>(
  ({ rules }) => new Set(rules.flatMap(({ target }) => listBackends(target))),
);
const nameUsers = new UserIndex<TlsName>(({ to }) => (typeof to === 'object' ? [to.backend] : []));
