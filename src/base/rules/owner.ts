/**
 * Returns the alias of a link whose setup or removal is not complete. A killed plugin leaves such a link behind, and
 * the next ADD may delete it.
 */
export function unfinishedComment(owner: string): string {
  return `${ownerComment(owner)} (unfinished)`;
}

/** Returns the owner comment that rules and links carry, for administrators and for later invocations. */
export function ownerComment(owner: string): string {
  return `egress-router ${owner}`;
}
