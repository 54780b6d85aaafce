/** Environment variables of the agent by name. */
export type Variables = Readonly<Record<string, string>>;

/** The families of the cluster's pod network. */
export type IpMode = 'v4' | 'v6' | 'v4v6';
