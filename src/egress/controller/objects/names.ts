import { hash } from 'node:crypto';

/** Names of the objects of one router. */
export interface RouterNames {
  readonly definition: string;
  readonly deployment: string;
  /** Labels of its pods. */
  readonly podLabels: Readonly<Record<string, string>>;
  /** Selector of its Deployment. */
  readonly selector: Readonly<Record<string, string>>;
  /** The label that distinguishes its pods from those of all other routers. */
  readonly identity: Readonly<Record<string, string>>;
}

/** Label of every router's pods; its value is the router's name. */
export const routerLabel = 'egress-router';

/** Label that distinguishes the routers of a pool; its value represents their addresses. */
export const memberLabel = 'egress-router-member';

/** Name of the first router's Deployment, and prefix of all others. */
export const plainDeployment = 'egress-router-cni-deployment';

/** OpenShift's names; Services select pods by the label. */
const plain = {
  definition: 'egress-router-cni-nad',
  deployment: plainDeployment,
  label: { app: 'egress-router-cni' },
} as const;

/** Label values have at most 63 characters, and names of pods begin with that of the Deployment. */
const longestSuffix = 40;

/**
 * Returns the names of a router: OpenShift's for the first router of a namespace, otherwise names that contain the
 * router's name.
 */
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

/** A router that needs names, with its age. */
export interface NameClaimant {
  readonly uid: string;
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly created: number;
}

/**
 * Assigns names to each router of a namespace. A router keeps the names of its objects when others are created or
 * deleted, because renaming means restarting. Of the routers without objects, the oldest (then the lower UID) becomes
 * the first, unless another router has those names. `wait`: the names are about to become free.
 *
 * @param ownerOf returns the owner's UID of an object with this name, or undefined if there is none
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
