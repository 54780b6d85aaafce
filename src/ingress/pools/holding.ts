/** Whether an ingress node holds a virtual address. */
export type Holding =
  | { readonly state: 'held' }
  /** Not known yet, or briefly free, for example during a move. */
  | { readonly state: 'waiting' }
  /** `reason` is a sentence for the owner of the address, without names of nodes. */
  | { readonly state: 'free'; readonly reason: string };
