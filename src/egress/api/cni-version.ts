/** Supported versions of the CNI specification, oldest first. */
export const supportedVersions = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

export type CniVersion = (typeof supportedVersions)[number];

/** Version of errors for which no version was negotiated. */
export const latestVersion: CniVersion = '1.1.0';
