import { setTimeout as sleep } from 'node:timers/promises';
import { describeError } from '../model/text.ts';
import { isRecord } from '../read/shape.ts';
import type { KubeApi } from './cluster-api.ts';
import { isStatus } from './status-patch.ts';

/** A resource as a server serves it. */
export interface ServedResource {
  /** Name in paths: `tcproutes`. */
  readonly plural: string;
  readonly kind: string;
  readonly isNamespaced: boolean;
}

/** One version of a group with its resources. */
export interface ServedVersion {
  /** `v1`. */
  readonly version: string;
  readonly resources: readonly ServedResource[];
}

/** What a server serves of a group; the version that it prefers first. No versions: it does not know the group. */
export type ServedGroup = readonly ServedVersion[];

/**
 * Asks which versions and resources of a group the server has. Rejects with a KubeError.
 *
 * @param group such as `gateway.networking.k8s.io`; not the core group
 */
export async function discover(api: KubeApi, group: string, signal?: AbortSignal): Promise<ServedGroup> {
  const found = await getIfThere(api, `/apis/${group}`, signal);
  const { versions, preferredVersion } = isRecord(found) ? found : {};
  const preferred = isRecord(preferredVersion) ? preferredVersion.version : undefined;
  const names = (Array.isArray(versions) ? versions.filter(isRecord) : [])
    .flatMap(({ version }) => (typeof version === 'string' ? [version] : []))
    // The server's own order otherwise, which is by age and stability.
    .toSorted((one, other) => Number(other === preferred) - Number(one === preferred));
  const served = await Promise.all(
    names.map(async (version) => {
      const list = await getIfThere(api, `/apis/${group}/${version}`, signal);
      const resources = isRecord(list) && Array.isArray(list.resources) ? list.resources.filter(isRecord) : [];
      return { version, resources: resources.flatMap(readResource) };
    }),
  );
  return served.filter(({ resources }) => resources.length > 0);
}

/** Path of all objects of a kind in the whole cluster, in the best version that is served; undefined: none is. */
export function pathOfKind(
  served: ServedGroup,
  group: string,
  kind: string,
  /** Versions that the caller can read; absent: all. */
  readable?: readonly string[],
): { readonly path: string; readonly version: string } | undefined {
  for (const { version, resources } of served) {
    if (readable !== undefined && !readable.includes(version)) continue;
    const resource = resources.find((one) => one.kind === kind);
    if (resource !== undefined) return { path: `/apis/${group}/${version}/${resource.plural}`, version };
  }
  return undefined;
}

/** Who is told what a group has. */
export interface GroupFollower {
  /** Hears of what is served at first, and of every change. */
  changed(served: ServedGroup): void;
  /** Whether everything that is wanted is served; while not, the server is asked every few seconds. */
  isComplete(served: ServedGroup): boolean;
  /** Why the server cannot be asked; undefined: it can. */
  report(problem: string | undefined): void;
}

/** Milliseconds between two looks. */
export interface DiscoveryTimes {
  /** While something that is wanted is not served: an API that appears is noticed so soon. */
  readonly incomplete: number;
  readonly complete: number;
}

const ordinaryTimes: DiscoveryTimes = { incomplete: 8000, complete: 300_000 };

/** Follows what a server serves of a group until `signal`; never rejects. */
export async function followGroup(
  api: KubeApi,
  group: string,
  follower: GroupFollower,
  signal: AbortSignal,
  times: DiscoveryTimes = ordinaryTimes,
): Promise<void> {
  let known: string | undefined;
  while (!signal.aborted) {
    let isComplete = false;
    try {
      const served = await discover(api, group, signal);
      follower.report(undefined);
      isComplete = follower.isComplete(served);
      const text = JSON.stringify(served);
      if (text !== known) follower.changed(served);
      known = text;
    } catch (error) {
      if (signal.aborted) return;
      follower.report(describeError(error));
    }
    // A little less each time, so that the daemons of many nodes do not ask at one moment.
    const pause = (isComplete ? times.complete : times.incomplete) * (0.75 + 0.25 * Math.random());
    await sleep(pause, undefined, { signal }).catch(() => undefined);
  }
}

function readResource({ name, kind, namespaced }: Readonly<Record<string, unknown>>): readonly ServedResource[] {
  // `routes/status` is a part of a resource.
  if (typeof name !== 'string' || typeof kind !== 'string' || name.includes('/')) return [];
  return [{ plural: name, kind, isNamespaced: namespaced === true }];
}

async function getIfThere(api: KubeApi, path: string, signal: AbortSignal | undefined): Promise<unknown> {
  try {
    return await api.get(path, {}, signal);
  } catch (error) {
    if (isStatus(error, 404)) return undefined;
    throw error;
  }
}
