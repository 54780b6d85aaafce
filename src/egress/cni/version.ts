import { showValue } from '../../base/read/show-value.ts';
import { type CniVersion, latestVersion, supportedVersions } from '../api/cni-version.ts';
import type { Verb } from './environment.ts';
import { CniError, errorCodes } from './error.ts';

/** The version that introduced a verb. Other verbs have always existed. */
const verbSince: Partial<Readonly<Record<Verb, CniVersion>>> = { CHECK: '0.4.0', GC: '1.1.0', STATUS: '1.1.0' };

/**
 * Returns the version that the configuration requests. Throws a {@link CniError} 1 for an unsupported version. A
 * missing version means 0.1.0 or 0.2.0, whose results have another format.
 */
export function negotiateVersion(configuration: Readonly<Record<string, unknown>>): CniVersion {
  const asked = configuration.cniVersion;
  const version = supportedVersions.find((supported) => supported === asked);
  if (version !== undefined) return version;
  const seen = asked === undefined || asked === '' ? 'no cniVersion' : `cniVersion ${showValue(asked)}`;
  throw new CniError(
    errorCodes.incompatibleVersion,
    `Incompatible CNI version: the configuration has ${seen}; set one of ${supportedVersions.join(', ')}`,
    `supported versions: ${supportedVersions.join(', ')}`,
  );
}

/** Throws a {@link CniError} 1 for a verb that the version does not have (CNI spec 1.1.0, changes). */
export function requireVerb(verb: Verb, version: CniVersion): void {
  const since = verbSince[verb];
  if (since === undefined || isAtLeast(version, since)) return;
  throw new CniError(
    errorCodes.incompatibleVersion,
    `Cannot run ${verb}: CNI version ${version} does not have it; set cniVersion to ${since} or later`,
    `supported versions: ${supportedVersions.join(', ')}`,
  );
}

/** Returns whether a version is equal to or later than another. */
export function isAtLeast(version: CniVersion, other: CniVersion): boolean {
  return supportedVersions.indexOf(version) >= supportedVersions.indexOf(other);
}

/**
 * Returns the answer to VERSION: the requested version, supported or not, and the list of supported versions (CNI
 * spec 1.1.0 §5, VERSION).
 */
export function formatVersionAnswer(configuration: unknown): string {
  const asked = typeof configuration === 'object' && configuration !== null && 'cniVersion' in configuration;
  const version = asked ? configuration.cniVersion : undefined;
  const isVersion = typeof version === 'string' && /^\d{1,9}\.\d{1,9}\.\d{1,9}$/.test(version);
  return JSON.stringify({ cniVersion: isVersion ? version : latestVersion, supportedVersions });
}
