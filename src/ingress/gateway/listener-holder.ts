import type { ObjectMeta } from '../../base/read/object-meta.ts';

/** An object that contains listeners. */
export interface ListenerHolder {
  readonly kind: HolderKind;
  readonly meta: ObjectMeta;
}

export type HolderKind = 'Gateway' | 'ListenerSet';

/** Returns the identity of a listener's request. */
export function listenerId({ meta: { uid } }: Pick<ListenerHolder, 'meta'>, listener: string): string {
  return `${uid}/${listener}`;
}
