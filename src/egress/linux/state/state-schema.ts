import * as z from 'zod/mini';
import { type LinkType, linkModes } from '../../../base/model/link-kind.ts';
import type { AttachmentState } from '../../model/state.ts';

/** The schemas, made when a state is read first: the plugin need not pay for them where there is none. */
function makeSchemas() {
  const family = z.union([z.literal(4), z.literal(6)]);
  const address = z.object({ family, text: z.string() });
  const prefix = z.object({ address, length: z.number() });
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

  const sysctl = z.object({ key: z.string().check(z.regex(/^net\/[^\0]+$/)), was: z.string() });

  /** Without these nobody can say what a file is about. */
  const needed = {
    id: z.object({ containerId: z.string(), ifname: z.string() }),
    netns: z.object({ path: z.string(), inode: number }),
    bootId: z.string(),
    link: z.string(),
    slot: number.check(z.minimum(1), z.maximum(15)),
    backend: z.enum(['iptables', 'nftables']),
  };

  /** What can be done without; each is read for itself, and of a list each element. */
  const lists = {
    podLinks: z.object({ family, link: z.string() }),
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
    pod: z.object({ namespace: z.string(), name: z.string() }),
    router,
    pending: z.object(redirects),
    closed: z.object({ address: z.string(), mac: z.string() }),
  };

  /** A file as this version writes it, and as later ones do that only add to it: what they add is kept. */
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
 * The state that a document describes; undefined where it says too little to be one. Files of earlier and
 * later versions, and damaged ones, are read as far as they go: what is missing is nothing to put
 * back.
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
  return { ...nothing, ...parts, ...core.data } as AttachmentState;
}

/** Whatever of a state can be read of a document, each part for itself. */
export function salvageState(document: unknown): Partial<AttachmentState> {
  if (typeof document !== 'object' || document === null) return {};
  const { needed, extras, lists } = schemas();
  const written = document as Readonly<Record<string, unknown>>;
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
