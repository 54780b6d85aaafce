/** Versions of the CNI spec whose results this plugin can write, oldest first. */
export const supportedVersions = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

export type CniVersion = (typeof supportedVersions)[number];

/** What is spoken when nothing was agreed on, as in an error about the version itself. */
export const latestVersion: CniVersion = '1.1.0';
