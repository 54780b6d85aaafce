import type { SiteListener } from './listener.ts';
import type { SiteRequest } from './site-request.ts';

/** Keys of the objects that changed, by kind. */
export interface ChangedObjects {
  has(...kinds: readonly string[]): boolean;
  of(kind: string): ReadonlySet<string>;
}

/**
 * A kind of object that requests hosts and paths. To add one, implement this in a folder of its own and add a row to
 * `src/ingress/agent/site-sources.ts`.
 */
export interface SiteSource {
  /** Name of the kind, for messages and as part of keys. */
  readonly kind: string;
  /**
   * Returns the keys of the objects whose requests may have changed.
   *
   * @param changes since the last call; undefined at the first one, which returns all objects
   * @param references keys of Secrets (`NAMESPACE/NAME`) and ConfigMaps (`ConfigMap NAMESPACE/NAME`) with changed content
   */
  listChanged(changes: ChangedObjects | undefined, references?: ReadonlySet<string>): Iterable<string>;
  /**
   * Returns the requests of an object, or none if it does not exist or this router does not serve it. Returns the same
   * objects until something relevant changes.
   */
  translate(key: string): readonly SiteRequest[];
  /**
   * Returns all listeners of this source, including those without requests: a listener owns its
   * hostname either way. Called after {@link listChanged}. Returns the same object for a listener until it changes.
   * Conflicting listeners must not be among them. Absent: the default listener only.
   */
  listListeners?(): Iterable<SiteListener>;
  /** Returns the keys of the Secrets and ConfigMaps that the objects and listeners refer to. */
  listSecrets(): Iterable<string>;
}
