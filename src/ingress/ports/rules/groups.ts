import type { Family } from '../../../base/model/address.ts';
import type { Protocol } from '../../../base/model/redirect.ts';
import type { NftElement, NftField } from '../../../base/rules/nftables/element.ts';
import type { Slot } from './slots.ts';

/** Targets of a port in one family. */
export interface Targets {
  readonly family: Family;
  /** Empty: none. The same list for ports that share their endpoints. */
  readonly slots: readonly Slot[];
}

/** Numbers of ports and slots above which a group gets its own map, and the maximum number of such maps. */
const limits = { users: 3, slots: 32, groups: 128 } as const;

interface Group {
  readonly name: string;
  slots: readonly Slot[];
}

/** Ports of one change, with their previous and next targets. */
export interface TargetsChange {
  readonly protocol: Protocol;
  readonly before: readonly Targets[];
  readonly after: readonly Targets[];
}

/**
 * Targets that many ports share: 3,000 Routes on one Service with 1,000 endpoints are 3,000 elements and one map of
 * 1,000 instead of three million. A group keeps its map when its endpoints change, so the cost depends only on the
 * change.
 */
export class TargetGroups {
  readonly #users = new Map<readonly Slot[], number>();
  readonly #groups = new Map<readonly Slot[], Group>();
  #count = 0;

  /** Returns the map that contains targets, or undefined if each port has its own elements. */
  mapOf({ slots }: Targets): string | undefined {
    return this.#groups.get(slots)?.name;
  }

  /** Processes changes of ports. Returns the changes of the groups' maps. */
  follow(changes: readonly TargetsChange[]): { readonly gone: NftElement[]; readonly come: NftElement[] } {
    for (const { before, after } of changes) {
      for (const { slots } of after) this.#add(slots, 1);
      for (const { slots } of before) this.#add(slots, -1);
    }
    const gone: NftElement[] = [];
    const come: NftElement[] = [];
    for (const { before, after } of changes) {
      for (const { family, slots } of after) {
        const was = before.find((one) => one.family === family)?.slots;
        if (this.#isWorthGroup(slots)) this.#move(was, slots, gone, come);
      }
    }
    for (const { protocol, after } of changes) {
      for (const { family, slots } of after) {
        if (!this.#isWorthGroup(slots) || this.#groups.size >= limits.groups) continue;
        const group: Group = { name: `${protocol}${family}-shared-${++this.#count}`, slots };
        this.#groups.set(slots, group);
        come.push(...listElements(group.name, slots));
      }
    }
    for (const [slots, { name }] of this.#groups) {
      if (this.#users.has(slots)) continue;
      this.#groups.delete(slots);
      gone.push(...listElements(name, slots));
    }
    return { gone, come };
  }

  #add(slots: readonly Slot[], step: 1 | -1): void {
    const count = (this.#users.get(slots) ?? 0) + step;
    if (count === 0) this.#users.delete(slots);
    else this.#users.set(slots, count);
  }

  #isWorthGroup(slots: readonly Slot[]): boolean {
    const isMany = slots.length >= limits.slots && (this.#users.get(slots) ?? 0) >= limits.users;
    return isMany && !this.#groups.has(slots);
  }

  /** Reuses the map of targets without users for the targets that replace them. */
  #move(was: readonly Slot[] | undefined, slots: readonly Slot[], gone: NftElement[], come: NftElement[]): void {
    const group = was === undefined || this.#users.has(was) ? undefined : this.#groups.get(was);
    if (was === undefined || group === undefined) return;
    for (let slot = 0; slot < Math.max(was.length, slots.length); slot++) {
      const [old, next] = [was[slot], slots[slot]];
      if (isSamePlace(old, next)) continue;
      if (old !== undefined) gone.push(writeElement(group.name, slot, old));
      if (next !== undefined) come.push(writeElement(group.name, slot, next));
    }
    this.#groups.delete(was);
    group.slots = slots;
    this.#groups.set(slots, group);
  }
}

function listElements(map: string, slots: readonly Slot[]): NftElement[] {
  return slots.flatMap((target, slot) => (target === undefined ? [] : [writeElement(map, slot, target)]));
}

function writeElement(collection: string, slot: number, target: NonNullable<Slot>): NftElement {
  return { collection, key: [{ type: 'slot', slot }], value: listFields(target) };
}

/** Returns an endpoint as fields of a map. */
export function listFields({ address, port }: NonNullable<Slot>): readonly NftField[] {
  return [
    { type: 'addr', address },
    { type: 'inet_service', port },
  ];
}

function isSamePlace(one: Slot, other: Slot): boolean {
  return one?.address.text === other?.address.text && one?.port === other?.port;
}
