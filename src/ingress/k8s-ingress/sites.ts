import type { Labels } from '../../base/read/object-meta.ts';
import { keyOf } from '../../base/read/object-meta.ts';
import type { AdmissionPolicy } from '../claims/policy.ts';
import type { ReferenceChecks, ReferenceState, UsersState } from '../intent/references.ts';
import type { SiteRequest } from '../intent/site-request.ts';
import type { ChangedObjects, SiteSource } from '../intent/site-source.ts';
import type { Route } from '../route/route.ts';
import type { Ingress } from './ingress.ts';
import type { IngressClass } from './ingress-class.ts';
import { PeerIndex } from './peer-index.ts';
import { findClasses, isSelected, type OwnClasses } from './selection.ts';
import { type ReadIngress, readIngress, type Translation, translateIngress } from './translate.ts';
import { UsedKeys } from './used-keys.ts';

/** Sources of the objects. */
export interface IngressObjects {
  all(kind: 'IngressClass'): Iterable<IngressClass>;
  all(kind: 'Route'): Iterable<Route>;
  keys(kind: 'Ingress' | 'Route'): Iterable<string>;
  get(kind: 'Ingress', key: string): Ingress | undefined;
  get(kind: 'Route', key: string): Route | undefined;
  labelsOf(namespace: string): Labels | undefined;
}

const none: readonly SiteRequest[] = [];

function listSecretsOf(read: ReadIngress | undefined): readonly string[] {
  if (read?.ingress.spec.ok !== true) return [];
  const { namespace } = read.ingress.meta;
  return [
    ...read.ingress.spec.value.tls.flatMap(({ secret }) => (secret === undefined ? [] : [`${namespace}/${secret}`])),
    ...listAccessSecrets(read),
  ];
}

/** Returns the Secrets whose content decides about access. */
function listAccessSecrets({ settings: { login, clients } }: ReadIngress): readonly string[] {
  const secret = clients === 'off' ? undefined : clients?.secret;
  return [...(login === undefined ? [] : [login.secret]), ...(secret === undefined ? [] : [secret])];
}

/** The last translation of an Ingress, and the objects that it depends on. */
interface Translated {
  readonly inputs: readonly ReadIngress[];
  readonly users: UsersState | undefined;
  readonly states: ReadonlyMap<string, ReferenceState | undefined>;
  readonly translation: Translation;
}

/** Ingresses as a source of requests for hosts and paths. */
export class IngressSites implements SiteSource {
  readonly kind = 'Ingress';
  readonly #objects: IngressObjects;
  readonly #policy: AdmissionPolicy;
  readonly #read = new WeakMap<Ingress, ReadIngress>();
  /** The Ingresses that this router serves. */
  readonly #selected = new Map<string, ReadIngress>();
  readonly #peers = new PeerIndex();
  readonly #secrets = new UsedKeys();
  readonly #translated = new Map<string, Translated>();
  /** Key of the Ingress from which OpenShift made a Route, by key of the Route. */
  readonly #sources = new Map<string, string>();
  /** Number of Routes made from an Ingress. */
  readonly #copies = new Map<string, number>();
  /** Keys of the Ingresses with access rules in a Secret, by key of that Secret. */
  readonly #guarded = new Map<string, Set<string>>();
  readonly #references: Pick<ReferenceChecks, 'users' | 'clients'> | undefined;
  #classes: OwnClasses = { names: new Set(), hasDefault: false };

  /** @param references checks Secrets with users. Absent: they are not known, and count as valid. */
  constructor(
    objects: IngressObjects,
    policy: AdmissionPolicy,
    references?: Pick<ReferenceChecks, 'users' | 'clients'>,
  ) {
    this.#objects = objects;
    this.#policy = policy;
    this.#references = references;
  }

  listChanged(changes: ChangedObjects | undefined, references: ReadonlySet<string> = new Set()): Iterable<string> {
    const changed = new Set(this.#listOwnChanges(changes));
    for (const secret of references) {
      for (const key of this.#guarded.get(secret) ?? []) {
        changed.add(key);
        // The clients of a host are those of all its Ingresses.
        const one = this.#selected.get(key);
        if (one !== undefined) for (const { ingress } of this.#peers.listPeers(one)) changed.add(keyOf(ingress.meta));
      }
    }
    // Ingresses of a namespace share hosts, so a change affects all with the same host.
    const affected = new Set(changed);
    for (const key of changed) for (const peer of this.#select(key)) affected.add(peer);
    return affected;
  }

  translate(key: string): readonly SiteRequest[] {
    return this.explain(key)?.requests ?? none;
  }

  /** Returns the requests and findings of an Ingress. Undefined if it is not served. */
  explain(key: string): Translation | undefined {
    const one = this.#selected.get(key);
    if (one === undefined) {
      this.#translated.delete(key);
      return undefined;
    }
    const peers = this.#peers.listPeers(one);
    const inputs = [one, ...peers];
    const known = this.#translated.get(key);
    const { login } = one.settings;
    const users = login && this.#references?.users(login.secret, login.format);
    const states = this.#readClients(inputs);
    const isSame =
      known?.inputs.length === inputs.length &&
      known.users === users &&
      [...states].every(([secret, state]) => known.states.get(secret) === state) &&
      inputs.every((each, index) => each === known.inputs[index]);
    if (known !== undefined && isSame) return known.translation;
    const translation = translateIngress(one, this.#peers.viewOf(one, peers), users, (secret) => states.get(secret));
    this.#translated.set(key, { inputs, users, states, translation });
    return translation;
  }

  /** Returns the states of the Secrets with client authorities of some Ingresses. */
  #readClients(some: readonly ReadIngress[]): ReadonlyMap<string, ReferenceState | undefined> {
    const states = new Map<string, ReferenceState | undefined>();
    for (const { settings } of some) {
      const secret = settings.clients === 'off' ? undefined : settings.clients?.secret;
      if (secret !== undefined) states.set(secret, this.#references?.clients(secret));
    }
    return states;
  }

  listSecrets(): Iterable<string> {
    return this.#secrets.keys();
  }

  *#listOwnChanges(changes: ChangedObjects | undefined): Iterable<string> {
    for (const key of changes === undefined ? this.#objects.keys('Route') : changes.of('Route')) {
      yield* this.#noteRoute(key);
    }
    const isAll = changes === undefined || this.#noteClasses(changes) || this.#isRelabelled(changes);
    if (changes === undefined) this.#classes = this.#findClasses();
    if (isAll) {
      yield* this.#objects.keys('Ingress');
      yield* this.#selected.keys();
    }
    if (changes !== undefined) yield* changes.of('Ingress');
  }

  #findClasses(): OwnClasses {
    return findClasses(this.#objects.all('IngressClass'), this.#policy.ingressClass);
  }

  /** Returns whether the classes of this router have changed. */
  #noteClasses(changes: ChangedObjects): boolean {
    if (!changes.has('IngressClass')) return false;
    const { names, hasDefault } = this.#classes;
    this.#classes = this.#findClasses();
    const now = this.#classes;
    const isSame = now.names.size === names.size && [...names].every((name) => now.names.has(name));
    return !isSame || hasDefault !== now.hasDefault;
  }

  #isRelabelled(changes: ChangedObjects): boolean {
    return changes.has('Namespace') && this.#policy.namespaceLabels.length > 0;
  }

  /** Records the Ingress from which OpenShift made a Route. Returns the Ingresses for which this changed. */
  #noteRoute(key: string): readonly string[] {
    const route = this.#objects.get('Route', key);
    const before = this.#sources.get(key);
    const now =
      route?.ingress === undefined ? undefined : keyOf({ namespace: route.meta.namespace, name: route.ingress });
    if (before === now) return [];
    if (now === undefined) this.#sources.delete(key);
    else this.#sources.set(key, now);
    const touched: string[] = [];
    for (const [source, step] of [
      [before, -1],
      [now, 1],
    ] as const) {
      if (source === undefined) continue;
      const count = (this.#copies.get(source) ?? 0) + step;
      if (count === 0) this.#copies.delete(source);
      else this.#copies.set(source, count);
      touched.push(source);
    }
    return touched;
  }

  /** Adds, replaces or removes an Ingress. Returns the keys of those that share a host with its old or new state. */
  #select(key: string): readonly string[] {
    const ingress = this.#objects.get('Ingress', key);
    const before = this.#selected.get(key);
    const now = ingress !== undefined && this.#wants(key, ingress) ? this.#readOnce(ingress) : undefined;
    if (before === now) return [];
    this.#secrets.replace(listSecretsOf(before), listSecretsOf(now));
    this.#noteGuarded(key, before, now);
    const left = before === undefined ? [] : this.#peers.remove(key, before);
    if (now === undefined) this.#selected.delete(key);
    else this.#selected.set(key, now);
    return [...left, ...(now === undefined ? [] : this.#peers.add(key, now))];
  }

  #noteGuarded(key: string, last: ReadIngress | undefined, next: ReadIngress | undefined): void {
    for (const secret of last === undefined ? [] : listAccessSecrets(last)) {
      const keys = this.#guarded.get(secret);
      keys?.delete(key);
      if (keys?.size === 0) this.#guarded.delete(secret);
    }
    for (const secret of next === undefined ? [] : listAccessSecrets(next))
      this.#guarded.set(secret, (this.#guarded.get(secret) ?? new Set()).add(key));
  }

  /** An Ingress that OpenShift has turned into Routes is served as these Routes. */
  #wants(key: string, ingress: Ingress): boolean {
    if (this.#copies.has(key)) return false;
    return isSelected(ingress, this.#classes, this.#policy, (namespace) => this.#objects.labelsOf(namespace));
  }

  #readOnce(ingress: Ingress): ReadIngress {
    const known = this.#read.get(ingress);
    if (known !== undefined) return known;
    const read = readIngress(ingress);
    this.#read.set(ingress, read);
    return read;
  }
}
