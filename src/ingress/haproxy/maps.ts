import { type FeatureMap, featureMaps } from './features.ts';

/** Maps of listeners that are not the default one. */
const gatewayMaps = [
  'names',
  'sites',
  'edges',
  'patterns',
  'redirects',
  'tls-names',
  'places',
  'ports',
  'inner',
  'clients',
  'ended-names',
  'verified',
  'subjects',
] as const;
type GatewayMap = (typeof gatewayMaps)[number];

/** Maps that HAProxy looks up: keys and values that can change at run time. */
export type MapName =
  | 'plain'
  | 'secure'
  | 'passthrough'
  | 'http2'
  | 'tenancies'
  | 'tenants'
  | 'cookie-attributes'
  | 'guarded'
  | 'log-backends'
  | 'log-servers'
  | GatewayMap
  | FeatureMap;
export const mapNames: readonly MapName[] = [
  'plain',
  'secure',
  'passthrough',
  'http2',
  'tenancies',
  'tenants',
  'cookie-attributes',
  'guarded',
  'log-backends',
  'log-servers',
  ...gatewayMaps,
  ...featureMaps,
];

/** Keys and values by map. */
export type Maps = Map<MapName, Map<string, string>>;
