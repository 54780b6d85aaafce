/** The owner as it is written beside rules and links, for people and for those who come later. */
export function ownerComment(owner: string): string {
  return `egress-router ${owner}`;
}
