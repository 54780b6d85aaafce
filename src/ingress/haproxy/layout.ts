import type { HttpState } from './model.ts';
import { authorityFile, makeSection, type ServerLine, spareShapes } from './section.ts';

/**
 * Which section of HAProxy's configuration stands for which backend. Sections cannot be made while
 * HAProxy runs: backends that it has read have sections of their name, newer ones take a spare one.
 */
export interface Layout {
  /** Section by backend. */
  readonly sections: ReadonlyMap<string, string>;
  /** Empty sections that can be taken, by shape. */
  readonly spares: ReadonlyMap<string, readonly string[]>;
  /** Spare sections that were given back and may still have servers, requests or connections, with their shape. */
  readonly resting: ReadonlyMap<string, string>;
  /** Servers that get nothing new and go when their last connection ends, by `SECTION/SERVER`. */
  readonly leaving: ReadonlyMap<string, ServerLine>;
  /** Latest use of each spare section that was ever taken. */
  readonly tenancies: ReadonlyMap<string, Tenancy>;
  /** Files of authorities that HAProxy has, used or not. */
  readonly authorities: ReadonlySet<string>;
}

/** One use of a spare section. */
export interface Tenancy {
  /** Counts the uses of the section, from 1: a request that was routed by an earlier number is refused. */
  readonly number: number;
  /** {@link Backend.tenant} */
  readonly tenant?: string;
}

/** What runs: a state and the sections that stand for its backends. */
export interface InForce {
  readonly state: HttpState;
  readonly layout: Layout;
}

/** How many spare sections of a shape, of those that the settings ask for: balance random and source are the defaults. */
const shares: Readonly<Record<string, number>> = { 'http-random': 1, 'http-roundrobin': 1, 'tcp-source': 0.5 };

/** The layout that HAProxy has after it has read everything again. */
export function freshLayout(state: HttpState): Layout {
  const spares = new Map<string, readonly string[]>();
  for (const [kind, shape] of spareShapes) {
    const count = Math.ceil(state.settings.spareBackends * (shares[kind] ?? 0.125));
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
    authorities: new Set([...state.authorities].map(([name, pem]) => authorityFile(name, pem))),
  };
}

/** Whether so few spare sections of some shape are left that a reload should make new ones when it is convenient. */
export function lacksSpares(layout: Layout, wanted: number): boolean {
  for (const [kind, shape] of spareShapes) {
    const left = layout.spares.get(shape)?.length ?? 0;
    if (left < Math.ceil(wanted * (shares[kind] ?? 0.125)) / 4) return true;
  }
  return false;
}

/** Every spare section, taken or not, with its shape and the backend that has it. */
export function spareSections(inForce: InForce): Map<string, { readonly shape: string; readonly backend?: string }> {
  const found = new Map<string, { readonly shape: string; readonly backend?: string }>();
  for (const [shape, names] of inForce.layout.spares) for (const name of names) found.set(name, { shape });
  for (const [name, shape] of inForce.layout.resting) found.set(name, { shape });
  for (const [id, section] of inForce.layout.sections) {
    const backend = id === section ? undefined : inForce.state.backends.get(id);
    if (backend !== undefined)
      found.set(section, { shape: makeSection(backend, inForce.state.authorities).shape, backend: id });
  }
  return found;
}

/** Resting sections without a server: they can be reused once HAProxy counts no request in them. */
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

/** The spare section that a tenant takes: its own last one, else one that was never used, else the one that rested longest. */
export function chooseSpare(
  spares: readonly string[],
  tenancies: Layout['tenancies'],
  tenant: string | undefined,
): string | undefined {
  const own = tenant === undefined ? undefined : spares.find((section) => tenancies.get(section)?.tenant === tenant);
  return own ?? spares.find((section) => !tenancies.has(section)) ?? spares[0];
}
