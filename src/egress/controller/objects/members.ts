import { isRecord } from '../../../base/read/shape.ts';
import type { EgressRouterSpec } from '../../api/egress-router.ts';
import { memberKeyOf } from '../../api/member-key.ts';
import { controllerNameOf, controllerOf } from './coverage.ts';
import { memberLabel, namesOf, type RouterNames } from './names.ts';

/** One router of a pool. */
export interface Member {
  /** Identifies the member by its addresses; value of {@link memberLabel}. */
  readonly key: string;
  readonly names: RouterNames;
  readonly spec: EgressRouterSpec;
}

/** An existing object of a router. */
export interface HeldName {
  readonly name: string;
  /** The member that it belongs to. Undefined: created by a version without pools. */
  readonly member: string | undefined;
}

/**
 * Assigns names to each member of a pool. One member has the router's own names, the names of the others contain
 * their address. A member keeps the names of its objects when others are added or removed, because renaming means
 * restarting. If no member has the router's own names, they go to the first member without names.
 *
 * @param held existing objects of the router, by their names
 */
export function assignMembers(
  own: RouterNames,
  specs: readonly EgressRouterSpec[],
  held: readonly HeldName[],
): readonly Member[] {
  const members = specs.map((spec) => ({ key: memberKeyOf(spec), spec }));
  const hasOwn = (key: string): boolean => {
    const names = namesOfMember(own, key);
    return held.some(({ name }) => name === names.deployment || name === names.definition);
  };
  const holder = held.find(({ name }) => name === own.deployment || name === own.definition)?.member;
  const plain = members.find(({ key }) => key === holder && !hasOwn(key)) ?? members.find(({ key }) => !hasOwn(key));
  return members.map(({ key, spec }) => {
    const podLabels = { ...own.podLabels, [memberLabel]: key };
    if (key === plain?.key) return { key, spec, names: { ...own, podLabels } };
    return { key, spec, names: { ...namesOfMember(own, key), podLabels } };
  });
}

/**
 * Returns the owners of a namespace's objects, by UID: by the names of routers, without the part that distinguishes
 * members of a pool. A pool keeps its names even while no member uses them unchanged.
 */
export function listOwners(objects: readonly unknown[]): ReadonlyMap<string, string> {
  const owners = new Map<string, string>();
  const shared = new Map<string, string>();
  for (const object of objects) {
    const owner = controllerOf(object);
    const { name } = isRecord(object) && isRecord(object.metadata) ? object.metadata : {};
    if (owner === undefined || typeof name !== 'string') continue;
    owners.set(name, owner);
    const pool = poolNameOf(object, name);
    if (pool !== undefined) shared.set(pool, owner);
  }
  return new Map([...shared, ...owners]);
}

/**
 * Returns an object's name without the part that distinguishes members of a pool, or undefined if it has no such
 * part.
 */
function poolNameOf(object: unknown, name: string): string | undefined {
  const { metadata, spec } = isRecord(object) ? object : {};
  const key = isRecord(metadata) && isRecord(metadata.labels) ? metadata.labels[memberLabel] : undefined;
  if (typeof key !== 'string' || !name.endsWith(`-${key}`)) return undefined;
  // A router may be named after its address. Then these are its own names, unless its pods are those of a first
  // router.
  const own = namesOf(controllerNameOf(object) ?? '', false);
  const selector = isRecord(spec) && isRecord(spec.selector) ? spec.selector.matchLabels : undefined;
  const isFirst = isRecord(selector) && selector.app !== undefined;
  const isOwn = !isFirst && (name === own.deployment || name === own.definition);
  return isOwn ? undefined : name.slice(0, -key.length - 1);
}

function namesOfMember(own: RouterNames, key: string): RouterNames {
  return {
    definition: `${own.definition}-${key}`,
    deployment: `${own.deployment}-${key}`,
    podLabels: own.podLabels,
    selector: { ...own.identity, [memberLabel]: key },
    identity: own.identity,
  };
}
