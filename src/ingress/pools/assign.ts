import { clusterNames } from '../../base/kubernetes/names.ts';
import type { Address, Family } from '../../base/model/address.ts';
import {
  type AddressRange,
  countAddresses,
  includesAddress,
  mergeRanges,
  overlaps,
  rangeOf,
  subtractRanges,
  toAddress,
} from '../../base/model/address-range.ts';
import { hashText, mixBits } from '../../base/model/hash.ts';
import type { Labels, ObjectMeta } from '../../base/read/object-meta.ts';
import { byAge, byAgeAndName } from '../claims/order.ts';
import type { Refusal } from '../gateway/refusal.ts';
import { type AddressPool, admitsNamespace, rangesOf } from './pool.ts';

/** An object that wants virtual addresses. */
export interface AddressClaim {
  readonly kind: 'Gateway' | 'Service';
  readonly meta: ObjectMeta;
  /** Addresses that its author requests. Either all or none of them are assigned. */
  readonly asked: readonly Address[];
  /** Address families for which a pool provides an address. */
  readonly families: readonly Family[];
  /** Addresses in its status. Other writers may change the status, so these are a preference, not a claim. */
  readonly recorded: readonly Address[];
  /** Name of the only pool that may assign its addresses. Absent: every pool that admits its namespace. */
  readonly pool?: string;
}

/** The owner of an assigned address. */
export interface AddressOwner {
  /** `Router` for an address of the router of Routes. */
  readonly kind: 'Router' | AddressClaim['kind'];
  /** Absent for the router. */
  readonly meta?: ObjectMeta;
  readonly address: Address;
  readonly pool: AddressPool;
}

/** Virtual addresses of one object. */
export interface AddressAssignment {
  readonly addresses: readonly Address[];
  /** Does not reveal objects of other namespaces. */
  readonly refusal?: Refusal<'AddressNotUsable' | 'AddressNotAssigned'>;
}

/** State of one pool. */
export interface PoolReport {
  readonly pool: AddressPool;
  readonly assigned: number;
  readonly free: number;
  /** Why some of its addresses cannot be used, one sentence each. */
  readonly problems: readonly string[];
}

/** Result of all pools and claims. */
export interface Assignments {
  /** Addresses of all pools, including those of the router. Sorted. */
  readonly ranges: readonly AddressRange[];
  /** Addresses of the pools except those of the router. At each of them, only its owner is served. */
  readonly reserved: readonly AddressRange[];
  /** Addresses of the router. */
  readonly router: readonly Address[];
  /** By address. */
  readonly owners: ReadonlyMap<string, AddressOwner>;
  /** By UID. An object without an entry gets no address of a pool. */
  readonly claims: ReadonlyMap<string, AddressAssignment>;
  readonly pools: readonly PoolReport[];
  /** Problems of the router's addresses, one sentence each. */
  readonly problems: readonly string[];
}

/** Input of the assignment. */
export interface AssignmentInput {
  readonly pools: readonly AddressPool[];
  readonly claims: readonly AddressClaim[];
  /** Addresses that the administrator assigns to the router. */
  readonly router: readonly Address[];
  /** Addresses in use that pools must not contain, and their owners: `node n1`, `pods of a node`. */
  readonly foreign: readonly ForeignRange[];
  readonly labelsOf: (namespace: string) => Labels | undefined;
}

/** Addresses in use outside the pools. */
export interface ForeignRange {
  readonly range: AddressRange;
  readonly what: string;
}

/** The assignment without pools. */
export const noAssignments: Assignments = {
  ranges: [],
  reserved: [],
  router: [],
  owners: new Map(),
  claims: new Map(),
  pools: [],
  problems: [],
};

/**
 * Assigns the addresses of pools. The router's come first, then those of IngressControllers. Then the oldest object gets
 * what it requests, or the addresses in its status if they are free and a pool admits it. The rest is assigned by
 * rendezvous hashing of the object's UID, so that all agents agree, and an object without a status gets the same address
 * after a restart, also if the pool has grown.
 */
export function assignAddresses(input: AssignmentInput): Assignments {
  if (input.pools.length === 0 && input.router.length === 0) return noAssignments;
  const views = viewPools(input);
  const taken = new Map<string, AddressOwner>();
  const problems = takeForRouter(input.router, views, taken);
  const claims = [...input.claims].sort(byAge);
  const all = claims.map((claim) => ({ claim, pools: listPools(claim, views, input.labelsOf) }));
  const wanted = [...all.filter(isOfRouter), ...all.filter((one) => !isOfRouter(one))];
  const decided = new Map<string, AddressAssignment>();
  for (const { claim, pools } of wanted) {
    if (pools.length === 0) continue;
    const owned = claim.asked.length > 0 ? takeAsked(claim, pools, taken) : takeRecorded(claim, pools, taken);
    decided.set(claim.meta.uid, owned);
  }
  for (const { claim, pools } of wanted) {
    const known = decided.get(claim.meta.uid);
    if (known === undefined || known.refusal !== undefined) continue;
    decided.set(claim.meta.uid, takeFree(claim, known.addresses, pools, taken));
  }
  const router = input.router.filter(({ text }) => taken.get(text)?.kind === 'Router');
  const ranges = mergeRanges(views.flatMap((view) => view.ranges));
  const own = router.map(({ text }) => text);
  return {
    ranges,
    reserved: own.length === 0 ? ranges : subtractRanges(ranges, mergeRanges(router.map(rangeOf))),
    router,
    owners: taken,
    claims: decided,
    pools: views.map((view) => reportPool(view, taken)),
    problems,
  };
}

/** A pool with its usable addresses. */
interface PoolView {
  readonly pool: AddressPool;
  readonly ranges: readonly AddressRange[];
  readonly problems: readonly string[];
}

function viewPools({ pools, foreign }: AssignmentInput): readonly PoolView[] {
  const older: AddressRange[] = [];
  return [...pools].sort(byAgeAndName).map((pool) => {
    const problems: string[] = [];
    const others = foreign.filter(({ range }) => isInside(rangesOf(pool), range));
    for (const { range, what } of others.slice(0, 3)) {
      problems.push(`${describeFirst(rangesOf(pool), [range])} not assigned, because it belongs to ${what}`);
    }
    if (others.length > 3) problems.push(`and ${others.length - 3} more addresses are in use`);
    const shared = older.find((range) => isInside(rangesOf(pool), range));
    if (shared !== undefined) {
      problems.push(`${describeFirst(rangesOf(pool), [shared])} not assigned, because it belongs to an older pool`);
    }
    const ranges = subtractRanges(rangesOf(pool), [...older, ...others.map(({ range }) => range)]);
    older.push(...rangesOf(pool));
    return { pool, ranges, problems };
  });
}

/** Returns the first of the ranges' addresses that others contain, and whether there are more: `192.0.2.10 is`. */
function describeFirst(ranges: readonly AddressRange[], others: readonly AddressRange[]): string {
  const [first] = subtractRanges(ranges, subtractRanges(ranges, others));
  if (first === undefined) return 'an address is';
  const { text } = toAddress(first.family, first.first);
  return countAddresses(first) > 1n ? `the range from ${text} is` : `${text} is`;
}

function isInside(ranges: readonly AddressRange[], other: AddressRange): boolean {
  return ranges.some((range) => overlaps(range, other));
}

type Taken = Map<string, AddressOwner>;

function takeForRouter(router: readonly Address[], views: readonly PoolView[], taken: Taken): readonly string[] {
  return router.flatMap((address) => {
    const view = views.find(({ ranges }) => includesAddress(ranges, address));
    if (view === undefined) {
      return [`the router's address ${address.text} is in no pool; add it to an IngressAddressPool`];
    }
    taken.set(address.text, { kind: 'Router', address, pool: view.pool });
    return [];
  });
}

function listPools(
  { meta, pool: name }: AddressClaim,
  views: readonly PoolView[],
  labelsOf: AssignmentInput['labelsOf'],
): readonly PoolView[] {
  return views.filter(
    ({ pool }) =>
      (name === undefined || pool.meta.name === name) &&
      admitsNamespace(pool, meta.namespace, labelsOf(meta.namespace)),
  );
}

/**
 * Whether a claim is of the router of an IngressController, whose address no older object of a tenant may request. Pools must
 * name the namespace of routers: where a tenant can create that namespace, it gains nothing.
 */
function isOfRouter({ claim, pools }: { readonly claim: AddressClaim; readonly pools: readonly PoolView[] }): boolean {
  const { namespace } = claim.meta;
  return (
    namespace === clusterNames.routerNamespace &&
    pools.every(({ pool }) => pool.namespaces?.names.has(namespace) === true)
  );
}

function takeAsked(claim: AddressClaim, pools: readonly PoolView[], taken: Taken): AddressAssignment {
  const found = claim.asked.map((address) => ({
    address,
    view: pools.find(({ ranges }) => includesAddress(ranges, address)),
  }));
  const unusable = found.find(({ view }) => view === undefined)?.address;
  if (unusable !== undefined) {
    const message = `${unusable.text} is in no pool of addresses that this namespace may use; remove the address, or ask the administrator for a usable one`;
    return { addresses: [], refusal: { reason: 'AddressNotUsable', message } };
  }
  const lost = found.find(({ address }) => taken.has(address.text))?.address;
  if (lost !== undefined) {
    const message = `${lost.text} belongs to an older claim; remove the address, or wait until it is free`;
    return { addresses: [], refusal: { reason: 'AddressNotAssigned', message } };
  }
  for (const { address, view } of found) if (view !== undefined) take(claim, address, view, taken);
  return { addresses: claim.asked };
}

function takeRecorded(claim: AddressClaim, pools: readonly PoolView[], taken: Taken): AddressAssignment {
  const addresses: Address[] = [];
  for (const address of claim.recorded) {
    if (!claim.families.includes(address.family) || addresses.some(({ family }) => family === address.family)) continue;
    const view = pools.find(({ ranges }) => includesAddress(ranges, address));
    if (view === undefined || taken.has(address.text)) continue;
    take(claim, address, view, taken);
    addresses.push(address);
  }
  return { addresses };
}

function takeFree(
  claim: AddressClaim,
  known: readonly Address[],
  pools: readonly PoolView[],
  taken: Taken,
): AddressAssignment {
  const addresses = [...known];
  for (const family of claim.families) {
    if (addresses.some((address) => address.family === family)) continue;
    for (const view of pools) {
      const address = chooseFree(claim.meta.uid, view.ranges, family, taken);
      if (address === undefined) continue;
      take(claim, address, view, taken);
      addresses.push(address);
      break;
    }
  }
  if (addresses.length > 0) return { addresses: addresses.sort((one, other) => one.family - other.family) };
  const message =
    'the pools of addresses that this namespace may use have no free address; ask the administrator to extend them';
  return { addresses, refusal: { reason: 'AddressNotAssigned', message } };
}

function take({ kind, meta }: AddressClaim, address: Address, { pool }: PoolView, taken: Taken): void {
  taken.set(address.text, { kind, meta, address, pool });
}

/** Returns the free address with the highest hash of UID and address. */
function chooseFree(uid: string, ranges: readonly AddressRange[], family: Family, taken: Taken): Address | undefined {
  const seed = hashText(uid);
  let best: Address | undefined;
  let bestScore = -1;
  for (const range of ranges) {
    if (range.family !== family) continue;
    const count = Number(countAddresses(range));
    const low = Number(range.first & 0xffff_ffffn);
    // Addresses of a range differ in their last 32 bits, because ranges are small.
    const high = mixBits(seed ^ hashText((range.first >> 32n).toString(16)));
    for (let offset = 0; offset < count; offset++) {
      const score = mixBits(high ^ mixBits((low + offset) >>> 0));
      if (score <= bestScore) continue;
      const address = toAddress(family, range.first + BigInt(offset));
      if (taken.has(address.text)) continue;
      best = address;
      bestScore = score;
    }
  }
  return best;
}

function reportPool({ pool, ranges, problems }: PoolView, taken: Taken): PoolReport {
  let assigned = 0;
  for (const owner of taken.values()) if (owner.pool === pool) assigned++;
  const total = Number(ranges.reduce((sum, range) => sum + countAddresses(range), 0n));
  return { pool, assigned, free: total - assigned, problems };
}
