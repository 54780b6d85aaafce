import { needsScript } from './exchange.ts';
import { listEditedNames } from './header-edits.ts';
import type { HttpState, Settings, User } from './model.ts';
import { authorityFile, listLoaded, type ServerLine, spareShapes } from './section.ts';
import { listUsers } from './users.ts';

/**
 * Assigns sections of HAProxy's configuration to backends. Sections cannot be created at run time: backends in the
 * loaded configuration have sections with their name, newer ones use spare sections.
 */
export interface Layout {
  /** Section of each backend. */
  readonly sections: ReadonlyMap<string, string>;
  /** Free spare sections by shape. */
  readonly spares: ReadonlyMap<string, readonly string[]>;
  /** Released spare sections that may still have servers, requests or connections, with their shape. */
  readonly resting: ReadonlyMap<string, string>;
  /** Servers without new connections, deleted after their last connection, by `SECTION/SERVER`. */
  readonly leaving: ReadonlyMap<string, ServerLine>;
  /** Latest use of each spare section that was ever used. */
  readonly tenancies: ReadonlyMap<string, Tenancy>;
  /** Authority files that HAProxy has loaded, used or not. Those that no server used at its start are not loaded. */
  readonly authorities: ReadonlySet<string>;
  /** Files of certificates that HAProxy can replace only with a reload ({@link findFrozen}). */
  readonly frozen: ReadonlySet<string>;
  /** Names of headers for which HAProxy has loaded rules. */
  readonly editedHeaders: ReadonlySet<string>;
  /** Lists of users that HAProxy has loaded, by name. */
  readonly users: ReadonlyMap<string, readonly User[]>;
  /** Whether HAProxy has loaded the Lua script. */
  readonly hasScript: boolean;
}

/** One use of a spare section. */
export interface Tenancy {
  /** Number of the use, counted per section from 1. A request routed with an earlier number is rejected. */
  readonly number: number;
  /** {@link Backend.tenant} */
  readonly tenant?: string;
}

/** The applied state and the sections of its backends. */
export interface InForce {
  readonly state: HttpState;
  readonly layout: Layout;
}

/**
 * Share of spare sections per shape, relative to the configured number. The balances random and source are the
 * defaults.
 */
const shares: Readonly<Record<string, number>> = {
  'http-random': 1,
  'http-roundrobin': 1,
  'tcp-source': 0.5,
  'script-random': 1 / 32,
  'script-roundrobin': 1 / 32,
  'script-leastconn': 1 / 256,
  'script-source': 1 / 256,
};

/** Returns the number of spare sections of a kind. Those with the script are for routes of Gateways. */
function countSpares(kind: string, { gateways, spareBackends }: Settings): number {
  if (kind.startsWith('script-') && gateways === undefined) return 0;
  return Math.ceil(spareBackends * (shares[kind] ?? 0.125));
}

/** Maximum number of names of headers for which there are rules although no backend needs them any more. */
const mostKeptHeaders = 100;

/**
 * Returns the layout after HAProxy has loaded a complete configuration.
 *
 * @param kept names of headers with rules in the previous one: a backend that returns needs no reload
 */
export function freshLayout(state: HttpState, kept: Iterable<string> = []): Layout {
  const needed = new Set([...state.backends.values()].flatMap(listEditedNames));
  const others = [...kept].filter((name) => !needed.has(name)).slice(0, mostKeptHeaders);
  const spares = new Map<string, readonly string[]>();
  for (const [kind, shape] of spareShapes) {
    const count = countSpares(kind, state.settings);
    spares.set(
      shape,
      Array.from({ length: count }, (_, i) => `spare-${kind}-${i + 1}`),
    );
  }
  return {
    sections: new Map([...state.backends.keys()].map((id) => [id, id])),
    spares,
    resting: new Map(),
    leaving: new Map(),
    tenancies: new Map(),
    authorities: listLoadedFiles(state),
    frozen: new Set(),
    editedHeaders: new Set([...needed, ...others]),
    users: listUsers(state),
    hasScript: needsScript(state),
  };
}

/** Returns the authority files that HAProxy loads with the configuration: those that some server refers to. */
function listLoadedFiles({ authorities, backends }: HttpState): ReadonlySet<string> {
  const files = new Set<string>();
  if (authorities.size === 0) return files;
  for (const backend of backends.values()) {
    for (const name of listLoaded(backend)) files.add(authorityFile(name, authorities.get(name) ?? ''));
  }
  return files;
}

/**
 * Returns whether some shape has so few spare sections left that a reload should create new ones at the next
 * opportunity.
 */
export function lacksSpares(layout: Layout, settings: Settings): boolean {
  for (const [kind, shape] of spareShapes) {
    const left = layout.spares.get(shape)?.length ?? 0;
    if (left < countSpares(kind, settings) / 4) return true;
  }
  return false;
}

/** Returns every spare section without a backend, with its shape. */
export function* listFreeSections({ spares, resting }: Layout): Iterable<readonly [section: string, shape: string]> {
  for (const [shape, names] of spares) for (const name of names) yield [name, shape];
  yield* resting;
}

/** Returns resting sections without servers. They can be reused when HAProxy counts no request in them. */
export function emptySections(layout: Layout): string[] {
  const busy = new Set([...layout.leaving.keys()].map((key) => key.slice(0, key.lastIndexOf('/'))));
  return [...layout.resting.keys()].filter((section) => !busy.has(section));
}

/** Frees resting sections without requests. */
export function freeSections(layout: Layout, idle: Iterable<string>): Layout {
  const resting = new Map(layout.resting);
  const spares = new Map(layout.spares);
  for (const section of idle) {
    const shape = resting.get(section);
    if (shape === undefined || !resting.delete(section)) continue;
    spares.set(shape, [...(spares.get(shape) ?? []), section]);
  }
  return { ...layout, resting, spares };
}

/**
 * Returns the spare section for a tenant: the one that it used last, otherwise one never used, otherwise the one that
 * has rested longest.
 */
export function chooseSpare(
  spares: readonly string[],
  tenancies: Layout['tenancies'],
  tenant: string | undefined,
): string | undefined {
  const own = tenant === undefined ? undefined : spares.find((section) => tenancies.get(section)?.tenant === tenant);
  return own ?? spares.find((section) => !tenancies.has(section)) ?? spares[0];
}
