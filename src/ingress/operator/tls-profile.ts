import type { IngressControllerSpec } from './spec.ts';

/** A TLS profile in the form of `status.tlsProfile`. */
export interface TlsProfile {
  readonly ciphers: readonly string[];
  readonly groups: readonly string[];
  readonly minTLSVersion: string;
}

/** Cipher suites of TLS 1.3 (RFC 8446 appendix B.4). */
const suites13 = new Set([
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_CCM_SHA256',
  'TLS_AES_128_CCM_8_SHA256',
]);

/** Groups that every HAProxy with OpenSSL 3.0 accepts. Any other name makes HAProxy reject its whole configuration. */
const knownGroups = new Set([
  'X25519',
  'X448',
  'secp224r1',
  'secp256r1',
  'secp384r1',
  'secp521r1',
  'prime256v1',
  'P-256',
  'P-384',
  'P-521',
]);

const modern = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];
const intermediate = [
  ...modern,
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
];
const old = [
  ...intermediate,
  'ECDHE-ECDSA-AES128-SHA256',
  'ECDHE-RSA-AES128-SHA256',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA384',
  'ECDHE-RSA-AES256-SHA384',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA256',
  'AES256-SHA256',
  'AES128-SHA',
  'AES256-SHA',
  'DES-CBC3-SHA',
];

/** Groups of OpenShift's named profiles. */
const profileGroups = ['X25519MLKEM768', 'X25519', 'secp256r1', 'secp384r1'];
/** Groups of a custom profile that names none. */
const customGroups = [...profileGroups, 'secp521r1'];

/**
 * Variables of the TLS settings of metrics, with IANA's names of ciphers. OpenShift's operator takes them from the profile
 * of the API server, which is Intermediate by default, and not from that of the router.
 */
export const metricsTls = {
  ROUTER_METRICS_TLS_CIPHERS: [
    ...modern,
    'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
    'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
    'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
    'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
    'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
    'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
  ].join(':'),
  ROUTER_METRICS_TLS_MIN_VERSION: 'VersionTLS12',
} as const;

type Profile = IngressControllerSpec['tlsSecurityProfile'];

/** Returns the ciphers, groups and version of a profile. Intermediate is the default. */
export function chooseTlsProfile(profile: Profile): TlsProfile {
  switch (profile?.type) {
    case 'Old':
      return { ciphers: old, groups: profileGroups, minTLSVersion: 'VersionTLS10' };
    case 'Modern':
      return { ciphers: modern, groups: profileGroups, minTLSVersion: 'VersionTLS13' };
    case 'Custom': {
      const { ciphers = [], groups = [], minTLSVersion = 'VersionTLS12' } = profile.custom ?? {};
      return { ciphers, groups: groups.length > 0 ? groups : customGroups, minTLSVersion };
    }
    default:
      return { ciphers: intermediate, groups: profileGroups, minTLSVersion: 'VersionTLS12' };
  }
}

/** Returns the profile that HAProxy serves: without unknown groups, and at least TLS 1.1, ciphers of TLS 1.3 last. */
export function serveTlsProfile({ ciphers, groups, minTLSVersion }: TlsProfile): TlsProfile {
  const known = groups.filter((group) => knownGroups.has(group));
  return {
    ciphers: [...ciphers.filter((one) => !suites13.has(one)), ...ciphers.filter((one) => suites13.has(one))],
    groups: known.length > 0 ? known : customGroups.filter((group) => knownGroups.has(group)),
    minTLSVersion: minTLSVersion === 'VersionTLS10' ? 'VersionTLS11' : minTLSVersion,
  };
}

/** Returns the variables of a served profile. */
export function writeTlsVariables({ ciphers, groups, minTLSVersion }: TlsProfile): Readonly<Record<string, string>> {
  const suites = ciphers.filter((one) => suites13.has(one));
  return {
    ROUTER_CIPHERS: ciphers.filter((one) => !suites13.has(one)).join(':'),
    ...(suites.length > 0 && { ROUTER_CIPHERSUITES: suites.join(':') }),
    ROUTER_CURVES: groups.join(':'),
    SSL_MIN_VERSION: minTLSVersion.replace(/^VersionTLS(\d)(\d)$/, 'TLSv$1.$2'),
  };
}

/** Returns the problems of a profile, in the words of OpenShift's operator. */
export function checkTlsProfile(profile: Profile): readonly string[] {
  if (profile?.type !== 'Custom') return [];
  if (profile.custom === undefined) return ['security profile is not defined'];
  const { ciphers = [], minTLSVersion } = profile.custom;
  const problems: string[] = [];
  const invalid = ciphers.filter((one) => !/^!?[A-Za-z][A-Za-z0-9_+-]+$/.test(one));
  if (ciphers.length === 0) problems.push('security profile has an empty ciphers list');
  if (invalid.length > 0) problems.push(`security profile has invalid ciphers: ${invalid.join(', ')}`);
  const is13 = minTLSVersion === 'VersionTLS13';
  if (ciphers.length > 0 && minTLSVersion !== undefined) {
    const version = `security profile specifies minTLSVersion: ${minTLSVersion} and contains`;
    if (!is13 && ciphers.every((one) => suites13.has(one))) problems.push(`${version} only TLSv1.3 cipher suites`);
    if (is13 && !ciphers.some((one) => suites13.has(one))) problems.push(`${version} no TLSv1.3 cipher suites`);
  }
  if (minTLSVersion === undefined) {
    problems.push('security profile has invalid minimum security protocol version: ""');
  }
  return problems;
}

/** Returns the groups of a profile that this HAProxy does not know. */
export function unknownGroupsOf(profile: Profile): readonly string[] {
  return (profile?.custom?.groups ?? []).filter((group) => !knownGroups.has(group));
}
