import { hash } from 'node:crypto';

/** Names of the objects of one router. */
export interface RouterNames {
  readonly definition: string;
  readonly deployment: string;
  /** Labels of its pods. */
  readonly podLabels: Readonly<Record<string, string>>;
  /** By which its Deployment finds its pods. */
  readonly selector: Readonly<Record<string, string>>;
  /** The label that no other router's pods have. */
  readonly identity: Readonly<Record<string, string>>;
}

/** The label that every router's pods have; its value is the router's name. */
export const routerLabel = 'egress-router';

/** The label that tells the routers of a pool apart; its value stands for their addresses. */
export const memberLabel = 'egress-router-member';

/** The name of the first router's Deployment, with which those of all others begin. */
export const plainDeployment = 'egress-router-cni-deployment';

/** Those of OpenShift: Services select by the label. */
const plain = {
  definition: 'egress-router-cni-nad',
  deployment: plainDeployment,
  label: { app: 'egress-router-cni' },
} as const;

/** A label's value has at most 63 characters; names of pods begin with that of the Deployment. */
const longestSuffix = 40;

/** Names of the first router of a namespace are OpenShift's; those of further ones have its own name in them. */
export function namesOf(router: string, isFirst: boolean): RouterNames {
  const suffix = shorten(router);
  const own = { [routerLabel]: suffix };
  if (isFirst) {
    return {
      definition: plain.definition,
      deployment: plain.deployment,
      podLabels: { ...plain.label, ...own },
      selector: plain.label,
      identity: own,
    };
  }
  return {
    definition: `${plain.definition}-${suffix}`,
    deployment: `${plain.deployment}-${suffix}`,
    podLabels: own,
    selector: own,
    identity: own,
  };
}

function shorten(name: string): string {
  if (name.length <= longestSuffix) return name;
  return `${name.slice(0, longestSuffix - 9).replace(/[.-]+$/, '')}-${hash('sha256', name).slice(0, 8)}`;
}

/** A router that names are for, as old as it is. */
export interface NameClaimant {
  readonly uid: string;
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly created: number;
}

/**
 * Gives each router of a namespace its names. A router keeps the names that its objects have, however
 * others come and go: to rename is to restart. Of those without objects the oldest (then the lower
 * UID) is the first, if no router has the first one's names. `wait`: they are about to become free.
 *
 * @param ownerOf who owns an object of this name, by UID; undefined where there is none
 */
export function assignNames(
  routers: readonly NameClaimant[],
  ownerOf: (object: string) => string | undefined,
): ReadonlyMap<string, RouterNames | 'wait'> {
  const owns = (uid: string, names: RouterNames): boolean =>
    ownerOf(names.deployment) === uid || ownerOf(names.definition) === uid;
  const living = new Set(routers.map(({ uid }) => uid));
  const holders = [ownerOf(plain.deployment), ownerOf(plain.definition)].filter((uid) => uid !== undefined);
  const holder = holders.find((uid) => living.has(uid));
  const next = routers
    .filter(({ uid, name }) => !owns(uid, namesOf(name, false)))
    .toSorted((one, other) => one.created - other.created || (one.uid < other.uid ? -1 : 1))[0]?.uid;
  return new Map(
    routers.map(({ uid, name }) => {
      if (holder === uid) return [uid, namesOf(name, true)];
      if (holder !== undefined || uid !== next) return [uid, namesOf(name, false)];
      return [uid, holders.length === 0 ? namesOf(name, true) : 'wait'];
    }),
  );
}
