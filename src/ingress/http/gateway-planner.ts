import { isDeepStrictEqual } from 'node:util';
import { MapDraft } from '../../base/model/layered-map.ts';
import { byAge } from '../claims/order.ts';
import { innerFiles, ownedFile } from '../haproxy/gateway-names.ts';
import type { Certificate } from '../haproxy/model.ts';
import type { ClientAuthorities, Gateways, InnerOwners, TlsName, VirtualHost } from '../haproxy/rule.ts';
import type { ListenerId, SiteListener } from '../intent/listener.ts';
import type { SiteRequest } from '../intent/site-request.ts';
import type { CertificateBook } from './certificate-book.ts';
import { covers, listAbove, makeHost, type NameRules, sortRules } from './gateway-hosts.ts';
import { GatewayOutcomes } from './gateway-outcomes.ts';
import { findPlaces, type Place, type Places, patternOf } from './gateway-places.ts';
import { type GatewayPlan, type ListenerVerdict, noGatewayPlan, type RefusedAtListener } from './gateway-plan.ts';
import { requestPattern } from './gateway-rules.ts';
import { type GatewayPlanSettings, GatewaySlots } from './gateway-slots.ts';
import { type CheckedListener, checkListener, listCertificates, listEndedNames, listTlsNames } from './gateway-tls.ts';
import { listScopes, scopeOf } from './inner-scopes.ts';
import { type PreparerParts, RequestPreparer } from './request-preparer.ts';

/** Dependencies of the planner. */
export interface GatewayParts extends PreparerParts {
  readonly book: CertificateBook;
  readonly settings: GatewayPlanSettings | undefined;
  readonly hasHttp2: boolean;
}

/**
 * Computes places, virtual hosts and certificates of all listeners except the default one. A change recomputes only
 * the names that it affects, and reuses all other objects.
 */
export class GatewayPlanner {
  readonly #parts: GatewayParts;
  #listeners: ReadonlyMap<ListenerId, SiteListener> = new Map();
  #places: Places = { places: [], lost: new Map() };
  /** Requests by listener and pattern. */
  readonly #requests = new Map<ListenerId, Map<string, Set<SiteRequest>>>();
  readonly #preparer: RequestPreparer;
  readonly #rules = new Map<ListenerId, Map<string, NameRules>>();
  readonly #checked = new Map<ListenerId, CheckedListener>();
  #hosts = new MapDraft<string, VirtualHost>(new Map());
  readonly #outcomes = new GatewayOutcomes();
  readonly #dirty = new Map<ListenerId, Set<string>>();
  readonly #slots: GatewaySlots | undefined;
  #isChanged = false;
  #yieldsRest = false;
  #plan: GatewayPlan = noGatewayPlan;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#preparer = new RequestPreparer(parts);
    this.#slots = parts.settings && new GatewaySlots(parts.settings);
  }

  add(request: SiteRequest): void {
    const pattern = requestPattern(request);
    const byPattern = this.#requests.get(request.listener) ?? new Map<string, Set<SiteRequest>>();
    this.#requests.set(request.listener, byPattern);
    const same = byPattern.get(pattern);
    if (same === undefined) byPattern.set(pattern, new Set([request]));
    else same.add(request);
    this.#touch(request);
  }

  remove(request: SiteRequest): void {
    const pattern = requestPattern(request);
    const byPattern = this.#requests.get(request.listener);
    const same = byPattern?.get(pattern);
    same?.delete(request);
    if (same?.size === 0) byPattern?.delete(pattern);
    this.forget(request);
    this.#outcomes.drop(request);
  }

  /** Recomputes a request, because its Services changed. */
  forget(request: SiteRequest): void {
    this.#preparer.forget(request);
    this.#touch(request);
  }

  /** Recomputes the listeners that use changed Secrets (`NAMESPACE/NAME`). */
  noteSecrets(secrets: ReadonlySet<string>): void {
    for (const listener of this.#listeners.values()) {
      const uses = listener.tls?.certificates.some(
        (one) => one.from === 'secret' && secrets.has(`${one.namespace ?? listener.owner.meta.namespace}/${one.name}`),
      );
      if (uses !== true) continue;
      this.#checked.set(listener.id, checkListener(listener, this.#parts.book, this.#checked.get(listener.id)));
      this.#isChanged = true;
    }
  }

  /** Whether {@link compute} has work to do. */
  get isDirty(): boolean {
    return this.#slots !== undefined && (this.#isChanged || this.#dirty.size > 0);
  }

  /** Replaces all listeners. */
  setListeners(listeners: Iterable<SiteListener>): void {
    const all = [...listeners];
    const isSame = all.length === this.#listeners.size && all.every((one) => this.#listeners.get(one.id) === one);
    if (isSame) return;
    const before = this.#listeners;
    this.#listeners = new Map(all.map((one) => [one.id, one]));
    for (const id of new Set([...before.keys(), ...this.#listeners.keys()])) {
      if (before.has(id) !== this.#listeners.has(id)) this.#touchListener(id);
    }
    for (const one of all) {
      const known = before.get(one.id);
      if (known?.tls?.end !== one.tls?.end || known?.protocol !== one.protocol) this.#forgetListener(one.id);
      if (before.get(one.id)?.tls !== one.tls || !this.#checked.has(one.id))
        this.#checked.set(one.id, checkListener(one, this.#parts.book, this.#checked.get(one.id)));
    }
    for (const id of this.#checked.keys()) if (!this.#listeners.has(id)) this.#checked.delete(id);
    this.#places = findPlaces(all);
    this.#slots?.assign(this.#places.places);
    this.#isChanged = true;
  }

  #touchListener(id: ListenerId): void {
    for (const requests of this.#requests.get(id)?.values() ?? []) for (const request of requests) this.#touch(request);
  }

  #forgetListener(id: ListenerId): void {
    for (const requests of this.#requests.get(id)?.values() ?? []) for (const request of requests) this.forget(request);
  }

  /**
   * @param isRefused returns the message if another claim excludes a request
   * @param yieldsRest whether a site answers for every host that no request claims on the router's own ports
   */
  compute(isRefused: (request: SiteRequest) => string | undefined, yieldsRest = false): GatewayPlan {
    if (this.#slots === undefined || !(this.isDirty || yieldsRest !== this.#yieldsRest)) return this.#plan;
    this.#yieldsRest = yieldsRest;
    for (const [id, patterns] of this.#dirty) for (const pattern of patterns) this.#sortName(id, pattern, isRefused);
    this.#planHosts();
    this.#dirty.clear();
    this.#isChanged = false;
    this.#plan = this.#assemble(this.#slots);
    return this.#plan;
  }

  #touch(request: SiteRequest): void {
    const patterns = this.#dirty.get(request.listener) ?? new Set<string>();
    this.#dirty.set(request.listener, patterns.add(requestPattern(request)));
  }

  #sortName(id: ListenerId, pattern: string, isRefused: (request: SiteRequest) => string | undefined): void {
    const requests = [...(this.#requests.get(id)?.get(pattern) ?? [])];
    const rules = this.#rules.get(id) ?? new Map<string, NameRules>();
    this.#rules.set(id, rules);
    const isPassthrough = isForConnections(this.#listeners.get(id));
    for (const request of requests) this.#preparer.prepare(request, isPassthrough, isRefused(request));
    if (requests.length === 0) {
      rules.delete(pattern);
      return;
    }
    const sorted = sortRules(requests.flatMap((one) => this.#preparer.get(one)?.rules ?? []));
    rules.set(pattern, sorted);
    for (const request of requests) this.#judge(request, sorted.complex.has(request));
  }

  /** Updates the virtual hosts of changed names, and of the names below changed wildcards. */
  #planHosts(): void {
    if (this.#isChanged) {
      const keys = new Set<string>();
      for (const place of this.#places.places)
        for (const pattern of this.#listPatterns(place)) keys.add(this.#planHost(place, pattern));
      for (const key of this.#hosts.keys()) if (!keys.has(key)) this.#hosts.delete(key);
      return;
    }
    for (const place of this.#places.places) {
      const dirty = [...place.listeners.values()].flatMap(({ id }) => [...(this.#dirty.get(id) ?? [])]);
      const wildcards = dirty.filter((name) => name.startsWith('*'));
      for (const pattern of dirty) this.#planHost(place, pattern);
      if (wildcards.length === 0) continue;
      for (const pattern of this.#listPatterns(place))
        if (wildcards.some((name) => covers(name, pattern))) this.#planHost(place, pattern);
    }
  }

  /** Updates a virtual host and returns its key. */
  #planHost(place: Place, pattern: string): string {
    const key = `${place.name}|${pattern}`;
    // Requests have only names that their listener covers.
    const isListed = listAbove(pattern).some((name) => {
      const one = place.listeners.get(name);
      if (one === undefined || isForConnections(one)) return false;
      return name === pattern || this.#rules.get(one.id)?.has(pattern) === true;
    });
    const host = isListed
      ? makeHost(
          place,
          pattern,
          ({ id }) => this.#rules.get(id) ?? new Map(),
          (one) => this.#findOwnInner(place, one),
        )
      : undefined;
    if (host === undefined) this.#hosts.delete(key);
    else if (!isSameHost(this.#hosts.get(key), host)) this.#hosts.set(key, host);
    return key;
  }

  #listPatterns({ listeners }: Place): ReadonlySet<string> {
    const patterns = new Set<string>();
    for (const listener of listeners.values()) {
      if (isForConnections(listener)) continue;
      patterns.add(patternOf(listener));
      for (const pattern of this.#rules.get(listener.id)?.keys() ?? []) patterns.add(pattern);
    }
    return patterns;
  }

  #assemble(slots: GatewaySlots): GatewayPlan {
    const { places } = this.#places;
    const certificates: Certificate[] = [];
    const defaults = new Map<number, string>();
    const usual = new Map<string, number>();
    const clients = new Map<number, ClientAuthorities>();
    const owners = new Map<number, InnerOwners>();
    const needs = new Map<ListenerId, readonly string[]>();
    for (const scope of places.flatMap(listScopes)) {
      const { place, key, kind } = scope;
      const inner = slots.inner.get(key);
      if (inner === undefined) continue;
      const found = listCertificates(scope, (id) => this.#checked.get(id), inner, this.#parts.hasHttp2);
      certificates.push(...found.certificates);
      if (found.usual !== undefined) defaults.set(inner, found.usual.pem);
      if (kind === 'http') usual.set(place.name, inner);
      const [listener] = scope.listeners.values();
      const pem = listener?.tls?.clients?.pem;
      if (pem !== undefined) clients.set(inner, { scope: key, pem });
      owners.set(inner, {
        ...(found.usual !== undefined && { defaults: found.usual.owner }),
        ...(listener !== undefined && { clients: listener.owner.meta.namespace }),
      });
      const verified = pem === undefined ? [] : [ownedFile(innerFiles(inner).authorities, owners.get(inner)?.clients)];
      for (const { id } of scope.listeners.values()) needs.set(id, [...(found.names.get(id) ?? []), ...verified]);
    }
    const endedNames = places.flatMap((place) => listEndedNames(place, (one) => this.#listPassed(one)));
    const tlsNames = places
      .filter(({ isTls }) => isTls)
      .flatMap((place) =>
        listTlsNames(
          place,
          (one) => this.#listPassed(one),
          ({ id }) => this.#checked.get(id)?.problem === undefined,
          (one) => this.#findOwnInner(place, one),
        ),
      );
    const planned = this.#hosts.finish();
    this.#hosts = new MapDraft(planned);
    const hosts = new MapDraft(planned);
    const names = new Map(tlsNames.map((name): [string, TlsName] => [name.key, this.#sameName('tlsNames', name)]));
    if (this.#yieldsRest) for (const place of places) if (slots.isShared(place)) this.#yieldRest(place, hosts, names);
    const gateways: Gateways = {
      hosts: hosts.finish(),
      tlsNames: names,
      endedNames: new Map(endedNames.map((name): [string, TlsName] => [name.key, this.#sameName('endedNames', name)])),
      places: new Map(places.flatMap(({ at, name }) => at.map((one): [string, string] => [one, name]))),
      ports: slots.ports,
      inner: usual,
      defaults,
      clients,
      owners,
    };
    const listeners = [...this.#listeners.values()].map((one): ListenerVerdict => {
      const needed = needs.get(one.id);
      return { ...this.#judgeListener(one, slots), ...(needed !== undefined && { needs: needed }) };
    });
    const { served, refused, backends, authorities } = this.#outcomes.list();
    let lists: Pick<GatewayPlan, 'served' | 'refused'> | undefined;
    // On demand: only reports need the lists.
    const list = () => {
      lists ??= { served: [...served.values()], refused: [...refused.values()] };
      return lists;
    };
    return {
      gateways,
      certificates,
      backends,
      authorities,
      listeners,
      translations: slots.translations,
      get served() {
        return list().served;
      },
      get refused() {
        return list().refused;
      },
    };
  }

  /**
   * Leaves names without a request to the site for every host. Then the names of requests lead to the TLS of their
   * listener, instead of every name.
   */
  #yieldRest(
    { name, isTls, listeners }: Place,
    hosts: MapDraft<string, VirtualHost>,
    names: Map<string, TlsName>,
  ): void {
    const rest = `${name}|*`;
    const listener = listeners.get('*');
    if (listener === undefined || (hosts.get(rest)?.rules.length ?? 0) > 0) return;
    for (const { key, listener: owner, rules } of hosts.values())
      if (owner === listener.id && key.startsWith(`${name}|`) && rules.length === 0) hosts.delete(key);
    const to = isTls ? names.get(rest)?.to : undefined;
    if (isTls && listener.tls?.end === 'router') names.delete(rest);
    if (to !== 'end' && !(typeof to === 'object' && 'inner' in to)) return;
    for (const { key, listener: owner } of hosts.values())
      if (owner === listener.id && key.startsWith(`${name}|`) && !names.has(key))
        names.set(key, this.#sameName('tlsNames', { key, to }));
  }

  /** Returns the inner frontend of a listener that does not share that of its place; 0 if there are not enough. */
  #findOwnInner(place: Place, listener: SiteListener): number | undefined {
    const scope = scopeOf(place, listener);
    return scope === undefined || scope === place.name ? undefined : (this.#slots?.inner.get(scope) ?? 0);
  }

  #sameName(kind: 'tlsNames' | 'endedNames', name: TlsName): TlsName {
    const known = this.#plan.gateways[kind].get(name.key);
    return known !== undefined && isDeepStrictEqual(known.to, name.to) ? known : name;
  }

  /** Returns the passthrough backends of a listener; of several requests for a name, the oldest counts. */
  #listPassed({ id }: SiteListener): ReadonlyMap<string, string> {
    const passed = new Map<string, string>();
    for (const [pattern, requests] of this.#requests.get(id) ?? []) {
      const [first] = [...requests]
        .filter((one) => this.#preparer.get(one)?.refusal === undefined)
        .sort((one, other) => byAge(one.owner, other.owner));
      const backend = first === undefined ? undefined : this.#preparer.get(first)?.served?.backends[0];
      if (backend !== undefined) passed.set(pattern, backend.id);
    }
    return passed;
  }

  /** Records the outcome of a request. */
  #judge(request: SiteRequest, isComplex: boolean): void {
    const { served, used, refusal } = this.#preparer.get(request) ?? {};
    if (!this.#listeners.has(request.listener)) {
      this.#outcomes.refuse({ request, reason: 'NoMatchingParent', message: 'the listener does not exist' });
    } else if (refusal !== undefined) this.#outcomes.refuse(refusal);
    else if (isComplex) this.#outcomes.refuse(tooComplex(request));
    else if (served !== undefined && used !== undefined) this.#outcomes.serve(served, used);
  }

  #judgeListener(listener: SiteListener, slots: GatewaySlots): ListenerVerdict {
    const unavailable = (message: string) => ({ listener, reason: 'PortUnavailable', message });
    const lost = this.#places.lost.get(listener.id);
    if (lost !== undefined) return unavailable(lost);
    const { problem, isWaiting } = this.#checked.get(listener.id) ?? {};
    if (isWaiting === true) return { listener, isWaiting };
    if (problem !== undefined) return { listener, reason: 'InvalidCertificateRef', message: problem };
    for (const place of this.#places.places) {
      if (place.listeners.get(patternOf(listener)) !== listener) continue;
      const lack = slots.findLack(place, listener);
      if (lack !== undefined) return unavailable(lack);
    }
    return { listener };
  }
}

/** Returns whether a listener forwards connections without interpreting requests. */
function isForConnections(listener: SiteListener | undefined): boolean {
  return listener?.protocol === 'TLS';
}

function tooComplex(request: SiteRequest): RefusedAtListener {
  const message =
    'the conditions of this host are too complex together with those of older routes; use fewer headers, parameters and values';
  return { request, reason: 'UnsupportedValue', message };
}

function isSameHost(one: VirtualHost | undefined, other: VirtualHost): boolean {
  return (
    one !== undefined &&
    one.listener === other.listener &&
    one.inner === other.inner &&
    one.rules.length === other.rules.length &&
    one.rules.every((rule, index) => rule === other.rules[index])
  );
}
