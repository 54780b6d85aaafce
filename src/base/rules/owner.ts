/**
 * The owner of a link that is not finished, or not any more: whoever is killed leaves it so, and the next
 * ADD may take it away.
 */
export function unfinishedComment(owner: string): string {
  return `${ownerComment(owner)} (unfinished)`;
}

/** The owner as it is written beside rules and links, for people and for those who come later. */
export function ownerComment(owner: string): string {
  return `egress-router ${owner}`;
}
