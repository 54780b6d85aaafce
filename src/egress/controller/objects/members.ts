import { hash } from 'node:crypto';
import { isRecord } from '../../../base/read/shape.ts';
import type { EgressRouterSpec } from '../../api/egress-router.ts';
import { controllerNameOf, controllerOf } from './coverage.ts';
import { memberLabel, namesOf, type RouterNames } from './names.ts';

/** One router of a pool. */
export interface Member {
  /** Tells it from the others, by its addresses: value of {@link memberLabel}. */
  readonly key: string;
  readonly names: RouterNames;
  readonly spec: EgressRouterSpec;
}

/** An object of a router as it is there. */
export interface HeldName {
  readonly name: string;
  /** Whose it is; undefined: made before there were pools. */
  readonly member: string | undefined;
}

/** What stands for the addresses of a member in labels and names: a lone IPv4 address can be read. */
export function memberKeyOf({ reserved }: EgressRouterSpec): string {
  const [first, ...more] = reserved.map(({ prefix }) => prefix.address);
  if (first?.family === 4 && more.length === 0) return first.text.replaceAll('.', '-');
  return `a-${hash('sha256', [first, ...more].map((address) => address?.text).join()).slice(0, 10)}`;
}

/**
 * Gives each member of a pool its names. One of them has the router's own, the others have their address in
 * them. A member keeps the names that its objects have, however others come and go: to rename is to restart.
 * The router's own names, if no member of the pool has them, go to the first member without names.
 *
 * @param held objects that the router has, by their names
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
 * Who owns the objects of a namespace, by UID: by the names of routers, without what tells the members of a
 * pool apart. A pool keeps its names also while no member has them as they are.
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

/** The name of an object without what tells the members of a pool apart; undefined where that is not in it. */
function poolNameOf(object: unknown, name: string): string | undefined {
  const { metadata, spec } = isRecord(object) ? object : {};
  const key = isRecord(metadata) && isRecord(metadata.labels) ? metadata.labels[memberLabel] : undefined;
  if (typeof key !== 'string' || !name.endsWith(`-${key}`)) return undefined;
  // A router may be named after its address: then these are its own names, unless its pods are those of a first one.
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
