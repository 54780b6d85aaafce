import type { ObjectStore } from '../../../base/kubernetes/object-store.ts';
import { isRecord } from '../../../base/read/shape.ts';
import { memberKeyOf } from '../../api/member-key.ts';
import { readRouterPod } from '../failover/pods.ts';
import { controllerOf } from './coverage.ts';
import type { Member } from './members.ts';
import { memberLabel, namesOf, routerLabel } from './names.ts';
import { type Router, readRouter } from './router.ts';

/** An address that a router requests on a network. */
interface Claim {
  readonly router: Router;
  /** Key of the pool's member. */
  readonly key: string;
  /** The address, with the master if the router names one, because two networks may use the same addresses. */
  readonly place: string;
}

/** The parsed part of an EgressRouter. */
interface Read {
  readonly router: Router | undefined;
  readonly claims: readonly Claim[];
}

/** Inputs of the decision about claims. */
export interface ClaimStores {
  readonly routers: ObjectStore;
  readonly deployments: ObjectStore;
  readonly pods: ObjectStore;
}

/** Decides which of several EgressRouters of the cluster owns an address. Two owners would take it from each other. */
export class AddressClaims {
  readonly #stores: ClaimStores;
  readonly #read = new WeakMap<object, Read>();

  constructor(stores: ClaimStores) {
    this.#stores = stores;
  }

  /**
   * Returns the router that owns an address of a member, or undefined if the member may have all its addresses. The
   * owner is the router that has the address already, otherwise the oldest, then the one with the lower UID.
   */
  findHolder(router: Router, member: Member): { readonly address: string; readonly holder: Router } | undefined {
    const frozen = this.#findFrozen(router, member.key);
    for (const { prefix } of member.spec.reserved) {
      const address = prefix.address.text;
      if (frozen !== undefined) return { address, holder: frozen };
      const place = placeOf(address, member.spec.master);
      const rivals = this.#claims().filter((claim) => claim.place === place);
      if (rivals.length < 2) continue;
      const [first] = rivals
        .map((claim) => ({ claim, rank: this.#hasDeployment(claim) ? 0 : 1 }))
        .toSorted((one, other) => one.rank - other.rank || compareAge(one.claim.router, other.claim.router));
      if (first !== undefined && first.claim.router.meta.uid !== router.meta.uid)
        return { address, holder: first.claim.router };
    }
    return undefined;
  }

  /** Returns a pod that has addresses of a member although its router no longer requests them. */
  findLeaving(router: Router, { key, spec }: Member): string | undefined {
    const places = new Set(spec.reserved.map(({ prefix }) => placeOf(prefix.address.text, spec.master)));
    for (const namespace of this.#stores.pods.namespaces) {
      for (const object of this.#stores.pods.in(namespace)) {
        const pod = readRouterPod(object);
        if (pod?.member !== key || pod.hasEnded || pod.deployment === undefined) continue;
        const labels = isRecord(object) && isRecord(object.metadata) ? object.metadata.labels : undefined;
        const label = isRecord(labels) ? labels[routerLabel] : undefined;
        const owner = this.#claims().find(
          (claim) =>
            claim.key === key &&
            claim.router.meta.namespace === namespace &&
            namesOf(claim.router.meta.name, false).identity[routerLabel] === label,
        );
        const isOwn = owner?.router.meta.uid === router.meta.uid;
        // A pod that is still wanted must be on another network; on this one its router would own the address.
        if (!isOwn && (owner === undefined || places.has(owner.place)))
          return namespace === router.meta.namespace ? pod.name : '(of another namespace)';
      }
    }
    return undefined;
  }

  #claims(): readonly Claim[] {
    return this.#readAll().flatMap(({ claims }) => claims);
  }

  #readAll(): readonly Read[] {
    return [...this.#stores.routers.all].filter(isRecord).map((object) => {
      const known = this.#read.get(object) ?? readClaims(object);
      this.#read.set(object, known);
      return known;
    });
  }

  /** Returns another router that keeps its addresses because its spec is invalid or its deletion is blocked. */
  #findFrozen({ meta }: Router, key: string): Router | undefined {
    const owners = new Set([...this.#stores.deployments.all].filter((one) => isOf(one, key)).map(controllerOf));
    owners.delete(meta.uid);
    if (owners.size === 0) return undefined;
    return this.#readAll().find(({ router }) => router && owners.has(router.meta.uid) && isFrozen(router))?.router;
  }

  #hasDeployment({ router: { meta }, key }: Claim): boolean {
    return this.#stores.deployments
      .in(meta.namespace)
      .some((object) => controllerOf(object) === meta.uid && isOf(object, key));
  }
}

/** Returns whether an object belongs to a member and is not being deleted. */
function isOf(object: unknown, key: string): boolean {
  const metadata = isRecord(object) && isRecord(object.metadata) ? object.metadata : {};
  const labels = isRecord(metadata.labels) ? metadata.labels : {};
  return labels[memberLabel] === key && (metadata.deletionTimestamp ?? undefined) === undefined;
}

function isFrozen({ isDeleting, spec }: Router): boolean {
  return isDeleting || !spec.ok;
}

function readClaims(object: unknown): Read {
  const router = readRouter(object);
  if (router === undefined || router.isDeleting || !router.spec.ok) return { router, claims: [] };
  const claims = router.spec.value.flatMap((spec) =>
    spec.reserved.map(({ prefix }) => ({
      router,
      key: memberKeyOf(spec),
      place: placeOf(prefix.address.text, spec.master),
    })),
  );
  return { router, claims };
}

function placeOf(address: string, master: string | undefined): string {
  return `${address} ${master ?? ''}`;
}

function compareAge({ meta: one }: Router, { meta: other }: Router): number {
  return one.created - other.created || (one.uid < other.uid ? -1 : 1);
}

/** Describes the owner of an address to another router's author, without names of other namespaces. */
export function describeHolder({ meta }: Router, address: string, holder: Router): string {
  const isNear = holder.meta.namespace === meta.namespace;
  const who = isNear ? `EgressRouter ${holder.meta.name}` : 'an EgressRouter of another namespace';
  return `${address} belongs to ${who}; choose another address, or remove it there`;
}
