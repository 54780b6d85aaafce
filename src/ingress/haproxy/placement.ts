import { isDeepStrictEqual } from 'node:util';
import { changedKeys, MapDraft } from '../../base/model/layered-map.ts';
import { hasSameArrivals } from './arrivals.ts';
import { backendEntries } from './entries.ts';
import { connectLines } from './exchange.ts';
import { listEditedNames } from './header-edits.ts';
import { chooseSpare, type InForce, type Layout, type Tenancy } from './layout.ts';
import type { Backend, HttpState, Settings } from './model.ts';
import { routeOf } from './route.ts';
import { listAuthorities, makeSection, type Section, type ServerLine, spareShapes } from './section.ts';
import { diffEntries, type ReloadCause, type Steps, type Wait } from './steps.ts';

/** Result of placing backends. */
export interface Placed {
  /** Applied backends by ID. A waiting backend is absent, or in its previous form. */
  readonly backends: ReadonlyMap<string, Backend>;
  readonly layout: Layout;
  /** Backends whose routes have changed. */
  readonly rerouted: ReadonlySet<string>;
}

/**
 * Places backends in HAProxy's sections: in place if only servers and features have changed, otherwise in a spare
 * section of the right shape. If there is none, the backend waits.
 */
export function placeBackends(
  before: InForce,
  state: HttpState,
  authorities: ReadonlyMap<string, string>,
  steps: Steps,
  wait: Wait,
): Placed {
  const wanted = state.backends;
  const old = before.state.backends;
  const renewed = changedKeys(before.state.authorities, authorities);
  const keys = changedKeys(old, wanted);
  const isRenewed = (backend: Backend): boolean =>
    renewed.size > 0 && listAuthorities(backend).some((name) => renewed.has(name));
  if (renewed.size > 0) for (const [id, backend] of wanted) if (isRenewed(backend)) keys.add(id);
  const changed: Backend[] = [];
  const gone: string[] = [];
  for (const id of keys) {
    const [known, backend] = [old.get(id), wanted.get(id)];
    if (backend === undefined) gone.push(id);
    else if (isRenewed(backend) || known === undefined || !isDeepStrictEqual(known, backend)) changed.push(backend);
  }
  if (changed.length === 0 && gone.length === 0) return { backends: old, layout: before.layout, rerouted: new Set() };
  let isComplete = true;
  const placement = new Placement(before, state, authorities, steps, (cause, name) => {
    isComplete = false;
    wait(cause, name);
  });
  for (const id of gone) placement.remove(id);
  for (const backend of changed) placement.place(backend.id, backend);
  const placed = placement.result();
  // The desired map has the same content, and the next one is compared with it.
  return isComplete ? { ...placed, backends: wanted } : placed;
}

class Placement {
  readonly #before: InForce;
  readonly #wanted: HttpState;
  readonly #authorities: ReadonlyMap<string, string>;
  readonly #steps: Steps;
  readonly #wait: Wait;
  readonly #backends: MapDraft<string, Backend>;
  readonly #sections: MapDraft<string, string>;
  readonly #spares: Map<string, readonly string[]>;
  readonly #resting: Map<string, string>;
  readonly #leaving: Map<string, ServerLine>;
  readonly #tenancies: Map<string, Tenancy>;
  readonly #rerouted = new Set<string>();

  constructor(before: InForce, wanted: HttpState, authorities: ReadonlyMap<string, string>, steps: Steps, wait: Wait) {
    this.#before = before;
    this.#wanted = wanted;
    this.#authorities = authorities;
    this.#steps = steps;
    this.#wait = wait;
    this.#backends = new MapDraft(before.state.backends);
    this.#sections = new MapDraft(before.layout.sections);
    this.#spares = new Map(before.layout.spares);
    this.#resting = new Map(before.layout.resting);
    this.#leaving = new Map(before.layout.leaving);
    this.#tenancies = new Map(before.layout.tenancies);
  }

  result(): Placed {
    const { authorities, frozen, editedHeaders, users, hasScript } = this.#before.layout;
    const layout: Layout = {
      sections: this.#sections.finish(),
      spares: this.#spares,
      resting: this.#resting,
      leaving: this.#leaving,
      tenancies: this.#tenancies,
      authorities,
      frozen,
      editedHeaders,
      users,
      hasScript,
    };
    return { backends: this.#backends.finish(), layout, rerouted: this.#rerouted };
  }

  remove(id: string): void {
    this.#leave(id);
    this.#backends.delete(id);
    this.#sections.delete(id);
    this.#rerouted.add(id);
  }

  place(id: string, backend: Backend): void {
    const section = this.#sections.get(id);
    const old = this.#before.state.backends.get(id);
    if (listAuthorities(backend).some((name) => !this.#authorities.has(name))) {
      this.#hold('size', id, backend);
      return;
    }
    if (listEditedNames(backend).some((name) => !this.#before.layout.editedHeaders.has(name))) {
      this.#hold('header', id, backend);
      return;
    }
    if (old !== undefined && section !== undefined && old.owner === backend.owner && this.#mayStay(old, backend)) {
      const last = makeSection(old, this.#before.state.authorities, section === id);
      const next = makeSection(backend, this.#authorities, section === id);
      const isFixed = section === id && hasOtherTimes(old, backend, this.#before.state.settings);
      if (!isFixed && this.#fitsInPlace(section, last, next)) {
        this.#backends.set(id, backend);
        this.#changeServers(section, last, next);
        const after = this.#draft();
        diffEntries(
          backendEntries(this.#before, id, section),
          backendEntries(after, id, section),
          this.#steps,
          'feature',
        );
        if (isRerouted(this.#before, after, id)) this.#rerouted.add(id);
        return;
      }
    }
    this.#move(id, backend, makeSection(backend, this.#authorities));
  }

  /**
   * Lets a backend wait for a reload in its previous form. If that form would send requests to servers that the new one
   * does not trust, or requests of other rules to its Services, or requests that the new one does not admit, they get 503
   * instead.
   */
  #hold(cause: ReloadCause, id: string, backend: Backend): void {
    this.#wait(cause, id);
    const old = this.#before.state.backends.get(id);
    if (old === undefined) return;
    if (this.#hasOthersWaiting(old, backend) || verifiesMore(old, backend) || admitsLess(old, backend)) this.remove(id);
  }

  /**
   * Without a spare section, a backend stays although requests of other rules may wait for it: a rule that is inserted
   * before a hundred others would otherwise make most of them answer 503.
   */
  #mayStay(before: Backend, now: Backend): boolean {
    if (!this.#hasOthersWaiting(before, now)) return true;
    return (this.#spares.get(makeSection(now, this.#authorities).shape) ?? []).length === 0;
  }

  /**
   * Returns whether the Services of a backend change, and other rules led to it. An ID is the number of a rule, and rules
   * can share a backend, so requests that wait for it may be of a rule that does not name the new Services.
   */
  #hasOthersWaiting(before: Backend, now: Backend): boolean {
    if (before.services === now.services || (before.isOnly === true && now.isOnly === true)) return false;
    return !hasSameArrivals(this.#before.state, this.#wanted, now.id);
  }

  /** Moves a backend to a spare section. */
  #move(id: string, backend: Backend, next: Section): void {
    const spares = this.#spares.get(next.shape) ?? [];
    const spare = chooseSpare(spares, this.#tenancies, backend.tenant);
    if (spare === undefined) {
      const common = [...spareShapes.values()].includes(next.shape);
      this.#hold(common ? 'spares' : 'shape', id, backend);
      return;
    }
    this.#spares.set(
      next.shape,
      spares.filter((section) => section !== spare),
    );
    this.#leave(id);
    const { tenant } = backend;
    const number = (this.#tenancies.get(spare)?.number ?? 0) + 1;
    this.#tenancies.set(spare, { number, ...(tenant !== undefined && { tenant }) });
    this.#backends.set(id, backend);
    this.#sections.set(id, spare);
    this.#rerouted.add(id);
    for (const server of next.servers.values())
      this.#steps.prepare.push({ kind: 'add-server', section: spare, server });
    diffEntries(new Map(), backendEntries(this.#draft(), id, spare), this.#steps, 'feature');
  }

  /** Releases a backend's section: its servers leave, and its map entries are removed. */
  #leave(id: string): void {
    const section = this.#sections.get(id);
    const old = this.#before.state.backends.get(id);
    if (section === undefined || old === undefined) return;
    const { shape, servers } = makeSection(old, this.#before.state.authorities);
    for (const server of servers.values()) this.#retire(section, server);
    if (section !== id) this.#resting.set(section, shape);
    diffEntries(backendEntries(this.#before, id, section), new Map(), this.#steps, 'feature');
  }

  #retire(section: string, server: ServerLine): void {
    this.#leaving.set(`${section}/${server.name}`, server);
    this.#steps.remove.push({ kind: 'retire-server', section, server });
  }

  /**
   * Returns whether a backend fits into its section. Options of a server are fixed: a server with other options, even
   * a returning one, needs another section.
   */
  #fitsInPlace(section: string, last: Section, next: Section): boolean {
    if (last.shape !== next.shape) return false;
    for (const [name, server] of next.servers) {
      const known = last.servers.get(name) ?? this.#leaving.get(`${section}/${name}`);
      if (known !== undefined && known.options !== server.options) return false;
    }
    return true;
  }

  #changeServers(section: string, last: Section, next: Section): void {
    for (const [name, server] of next.servers) {
      const from = last.servers.get(name);
      const leaving = this.#leaving.get(`${section}/${name}`);
      if (from !== undefined) {
        if (!isDeepStrictEqual(from, server)) this.#steps.adjust.push({ kind: 'change-server', section, from, server });
      } else if (leaving !== undefined) {
        this.#leaving.delete(`${section}/${name}`);
        this.#steps.prepare.push({ kind: 'recall-server', section, server });
      } else this.#steps.prepare.push({ kind: 'add-server', section, server });
    }
    for (const [name, server] of last.servers) if (!next.servers.has(name)) this.#retire(section, server);
  }

  #draft(): InForce {
    const { state, layout } = this.#before;
    return {
      state: { ...state, backends: this.#backends },
      layout: { ...layout, sections: this.#sections, tenancies: this.#tenancies },
    };
  }
}

/** Returns whether a backend verifies its servers in another way than before. */
function verifiesMore(before: Backend, now: Backend): boolean {
  const known = new Set(before.servers.map(({ tls }) => JSON.stringify(tls)));
  return now.servers.some(({ tls }) => tls !== undefined && !known.has(JSON.stringify(tls)));
}

/** Returns whether the limits of a backend's own section differ that HAProxy reads only when it starts. */
function hasOtherTimes(before: Backend, now: Backend, settings: Settings): boolean {
  return !isDeepStrictEqual(connectLines(before, settings), connectLines(now, settings));
}

/**
 * Returns whether a backend demands a login and did not before, or has been closed. A changed list of users takes effect
 * with the reload.
 */
function admitsLess({ http: before }: Backend, { http: now, servers }: Backend): boolean {
  return before?.login === undefined ? now?.login !== undefined : servers.length === 0;
}

/** Returns whether a route of a backend has changed: its own, or one to https. */
function isRerouted(before: InForce, after: InForce, id: string): boolean {
  return [false, true].some((redirect) => routeOf(before, id, redirect) !== routeOf(after, id, redirect));
}
