import * as z from 'zod/mini';
import { type LinkType, linkModes } from '../../../base/model/link-kind.ts';
import { type AttachmentState, stateVersion } from '../../model/state.ts';

/** Returns the schemas, created when the first state is read, so that the plugin does not pay for them without one. */
function makeSchemas() {
  const family = z.union([z.literal(4), z.literal(6)]);
  // Loose all the way down: what a later version adds anywhere is kept when this one writes the file again.
  const address = z.looseObject({ family, text: z.string() });
  const prefix = z.looseObject({ address, length: z.number() });
  const number = z.number().check(z.int());

  const route = z.looseObject({
    family,
    table: number,
    destination: prefix,
    type: z.union([z.literal('unicast'), z.literal('unreachable')]),
    gateway: z.optional(address),
    link: z.optional(z.string()),
    scope: z.union([z.literal('universe'), z.literal('link'), z.literal('host')]),
    source: z.optional(address),
    metric: z.optional(number),
    protocol: number,
    onlink: z.boolean(),
    others: z.optional(z.array(z.tuple([number, z.string()]))),
  });

  const redirects = {
    destinations: z.array(z.string()),
    fallbacks: z.array(address),
    fallbackName: z.optional(z.string()),
    sharing: z.optional(z.enum(['roundrobin', 'source'])),
    answers: z.optional(z.array(z.object({ name: z.string(), addresses: z.array(z.string()) }))),
  };

  const router = z.looseObject({
    linkType: z.optional(z.enum(Object.keys(linkModes) as LinkType[])),
    mode: z.enum(Object.values(linkModes).flat()),
    mtu: number,
    mac: z.optional(z.string()),
    gateways: z.array(address),
    ...redirects,
    clusterNetworks: z.optional(z.array(z.string())),
    logFile: z.string(),
  });

  const sysctl = z.looseObject({ key: z.string().check(z.regex(/^net\/[^\0]+$/)), was: z.string() });

  /** Required fields, without which the subject of a file is unknown. */
  const needed = {
    id: z.looseObject({ containerId: z.string(), ifname: z.string() }),
    netns: z.looseObject({ path: z.string(), inode: number }),
    bootId: z.string(),
    link: z.string(),
    slot: number.check(z.minimum(1), z.maximum(15)),
    backend: z.enum(['iptables', 'nftables']),
  };

  /** Optional lists. Each is parsed separately, as is each of their elements. */
  const lists = {
    podLinks: z.looseObject({ family, link: z.string() }),
    oldDefaults: route,
    clusterRoutes: route,
    inwardRoutes: route,
    addresses: prefix,
    sysctls: sysctl,
  };
  const extras = {
    version: number,
    network: z.string(),
    master: z.string(),
    pod: z.looseObject({ namespace: z.string(), name: z.string() }),
    router,
    pending: z.looseObject(redirects),
    closed: z.looseObject({ address: z.string(), mac: z.string() }),
  };

  /** A file of this version, or of later versions that only add fields; additional fields are preserved. */
  const stateSchema = z.looseObject({
    ...needed,
    version: extras.version,
    network: extras.network,
    master: extras.master,
    podLinks: z.array(lists.podLinks),
    oldDefaults: z.array(lists.oldDefaults),
    clusterRoutes: z.array(lists.clusterRoutes),
    inwardRoutes: z.array(lists.inwardRoutes),
    addresses: z.array(lists.addresses),
    sysctls: z.array(lists.sysctls),
    pod: z.optional(extras.pod),
    router: z.optional(extras.router),
    pending: z.optional(extras.pending),
    closed: z.optional(extras.closed),
  });
  return { whole: stateSchema, core: z.object(needed), needed, extras, lists };
}

let made: ReturnType<typeof makeSchemas> | undefined;

function schemas(): ReturnType<typeof makeSchemas> {
  made ??= makeSchemas();
  return made;
}

/**
 * Parses a state, or returns undefined if required fields are missing. Files of other versions and damaged files are
 * parsed as far as possible; DEL then cannot restore what is missing.
 */
export function parseState(document: unknown): AttachmentState | undefined {
  const { whole: wholeSchema, core: coreSchema } = schemas();
  const whole = wholeSchema.safeParse(document);
  if (whole.success) return whole.data as unknown as AttachmentState;
  const parts = salvageState(document);
  const core = coreSchema.safeParse(document);
  if (!core.success) return undefined;
  const nothing = {
    version: 1,
    network: '',
    master: '',
    podLinks: [],
    oldDefaults: [],
    clusterRoutes: [],
    inwardRoutes: [],
    addresses: [],
    sysctls: [],
  };
  return { ...listUnknown(document), ...nothing, ...parts, ...core.data } as AttachmentState;
}

/** Whether a document was written by a later version: one that this one cannot read is not broken. */
export function isOfLaterVersion(document: unknown): boolean {
  const version = isRecord(document) ? document.version : undefined;
  return typeof version === 'number' && version > stateVersion;
}

/**
 * Returns the parts of a document that this version knows by name and cannot read, as a later version may write them.
 * They are kept when the file is written again.
 */
export function listUnreadable(document: unknown): Readonly<Record<string, unknown>> {
  if (!isRecord(document)) return {};
  const { needed, extras, lists } = schemas();
  const all: Readonly<Record<string, z.ZodMiniType>> = {
    ...needed,
    ...extras,
    ...Object.fromEntries(Object.entries(lists).map(([key, schema]) => [key, z.array(schema as z.ZodMiniType)])),
  };
  return Object.fromEntries(
    Object.entries(document).filter(([key, value]) => all[key] !== undefined && !all[key].safeParse(value).success),
  );
}

/** The parts of a document that this version does not know. */
function listUnknown(document: unknown): Readonly<Record<string, unknown>> {
  if (!isRecord(document)) return {};
  const { needed, extras, lists } = schemas();
  const known = { ...needed, ...extras, ...lists };
  return Object.fromEntries(Object.entries(document).filter(([key]) => !Object.hasOwn(known, key)));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns every part of a state that can be parsed. */
export function salvageState(document: unknown): Partial<AttachmentState> {
  if (!isRecord(document)) return {};
  const { needed, extras, lists } = schemas();
  const written = document;
  const parts: Record<string, unknown> = {};
  for (const [key, schema] of [...Object.entries(needed), ...Object.entries(extras)]) {
    const part = schema.safeParse(written[key]);
    if (part.success) parts[key] = part.data;
  }
  for (const [key, schema] of Object.entries(lists)) {
    const list = written[key];
    if (!Array.isArray(list)) continue;
    parts[key] = list.flatMap((element) => {
      const part = schema.safeParse(element);
      return part.success ? [part.data] : [];
    });
  }
  return parts as Partial<AttachmentState>;
}
