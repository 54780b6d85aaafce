import type { DaemonLog } from '../../base/daemon/log.ts';
import type { EventObject, EventRecorder } from '../../base/kubernetes/events.ts';
import { within } from '../../base/kubernetes/limit.ts';
import { patchStatus } from '../../base/kubernetes/status-patch.ts';
import { isRecord } from '../../base/read/shape.ts';
import { type Admission, admit, assignDomains } from './admission.ts';
import { type ApplyParts, applyObject, type Obstacle, ownerOf, pruneObjects } from './apply.ts';
import { type Authority, AuthorityError } from './authority.ts';
import { createCertificate, decode, isCurrent, type KeyPair, readKeyPair } from './certificates.ts';
import type { DownloadSettings } from './crl/download.ts';
import type { RevocationLists, RevocationState } from './crl/lists.ts';
import { readKeptLists, readRouterLists } from './crl/router-lists.ts';
import { makeObjects, makeRevocationLists, type RouterContext } from './desired.ts';
import { listIgnoredFields } from './ignored-fields.ts';
import { type IngressController, readIngressController } from './ingress-controller.ts';
import { finalizer, metricsHostsOf, namesOf, places, podLabel } from './names.ts';
import type { RouterObject } from './objects.ts';
import { type References, readReferences } from './references.ts';
import { isComplete, type Rollout, readRollout } from './rollout.ts';
import { clearRouteStatuses } from './route-status.ts';
import type { IngressControllerSpec } from './spec.ts';
import { isProvisioned } from './status/publishing-conditions.ts';
import { selectorsInStatus } from './status/selectors.ts';
import { type PlannedStatus, planStatus, type StatusParts } from './status/status.ts';
import { chooseTlsProfile, serveTlsProfile } from './tls-profile.ts';
import type { IpMode } from './variables/model.ts';

/** Settings of the operator. */
export interface OperatorSettings {
  readonly image: string;
  readonly ipMode: IpMode;
  /** Domain of IngressControllers without `spec.domain`. */
  readonly domain: string | undefined;
  /** Whether the operator creates the IngressController `default` if it does not exist. */
  readonly createsDefault: boolean;
  /** Where revocation lists may be downloaded from. */
  readonly downloads: DownloadSettings;
}

/** Dependencies of the work on one IngressController. */
export interface RouterWorkParts extends ApplyParts {
  readonly settings: OperatorSettings;
  readonly authority: Authority;
  readonly lists: RevocationLists;
  readonly events: EventRecorder;
  readonly log: DaemonLog;
}

/** What the status says about applied objects. */
interface Outcome extends Pick<StatusParts, 'obstacle' | 'ignored'> {
  readonly revocation: RevocationState | undefined;
}

type Certificates = Pick<RouterContext, 'certificate' | 'metricsCertificate'>;

/** Milliseconds after which an object is reconciled again without an event. */
const again = { obstacle: 30_000, certificate: 43_200_000, events: 1000 };

/** Path of all IngressControllers. */
export const controllersPath = `/apis/operator.openshift.io/v1/namespaces/${places.objects}/ingresscontrollers`;

/** Returns the path of an IngressController. */
export function pathOfController(name: string): string {
  return `${controllersPath}/${name}`;
}

/** Applies the objects of one IngressController, and reports the result. */
export class RouterWork {
  readonly #parts: RouterWorkParts;

  constructor(parts: RouterWorkParts) {
    this.#parts = parts;
  }

  /**
   * Reconciles an IngressController that is not being deleted. Resolves to the milliseconds after which it needs
   * attention without an event. Rejects with a KubeError if a retry may help.
   */
  async run(object: IngressController, raw: unknown): Promise<number | undefined> {
    const { settings, stores } = this.#parts;
    const admission = admit(object, assignDomains(stores.controllers, settings.domain), settings.domain);
    if (!admission.isAdmitted) return await this.#refuse(object, raw, admission);
    if (!object.finalizers.includes(finalizer)) {
      await this.#addFinalizer(object, raw);
      // The watch will deliver the changed object.
      return undefined;
    }
    const references = this.#readReferences(object.meta.name, admission.spec);
    const ignored = [...listIgnoredFields(admission.spec, object), ...references.ignored];
    const revocation = readRouterLists(object.meta.name, references.revocation, this.#parts);
    const obstacle = await this.#apply(object, admission, references, revocation);
    const next = await this.#report(object, raw, admission, { obstacle, ignored, revocation });
    const later = Math.min(obstacle === undefined ? again.certificate : again.obstacle, revocation?.next ?? Infinity);
    return Math.min(next ?? later, later);
  }

  /** Reports why an object is not admitted. Its router stays as it is, with renewed revocation lists. */
  async #refuse(object: IngressController, raw: unknown, admission: Admission): Promise<number | undefined> {
    const { name } = object.meta;
    const revocation = readKeptLists(name, this.#parts);
    const obstacle = revocation && (await applyObject(makeRevocationLists(name, revocation.pem), name, this.#parts));
    const next = await this.#report(object, raw, admission, { obstacle, ignored: [], revocation });
    if (revocation === undefined) return next;
    return Math.min(next ?? revocation.next, revocation.next, obstacle === undefined ? Infinity : again.obstacle);
  }

  async #addFinalizer({ meta, finalizers }: IngressController, raw: unknown): Promise<void> {
    const version = isRecord(raw) && isRecord(raw.metadata) ? raw.metadata.resourceVersion : undefined;
    const metadata = { resourceVersion: version, finalizers: [...finalizers, finalizer] };
    await this.#parts.api.mergePatch(pathOfController(meta.name), { metadata }, this.#parts.signal);
  }

  #readReferences(name: string, spec: IngressControllerSpec): References {
    const { stores } = this.#parts;
    return readReferences(name, spec, {
      configMap: (namespace, one) =>
        stores.of(namespace === places.configuration ? 'configuration' : 'configMaps').get(namespace, one),
      secret: (namespace, one) => stores.of('secrets').get(namespace, one),
    });
  }

  async #apply(
    object: IngressController,
    admission: Extract<Admission, { readonly isAdmitted: true }>,
    references: References,
    revocation: RevocationState | undefined,
  ): Promise<Obstacle | undefined> {
    const { name } = object.meta;
    const certificates = await this.#findCertificates(name, admission.domain);
    if ('reason' in certificates) return certificates;
    const wanted = this.#list(object, admission, { references, revocationLists: revocation?.pem, ...certificates });
    // New pods would refuse clients whose list arrives in a moment.
    const isBlocked = references.isBlocked || revocation?.isSettled === false;
    let obstacle: Obstacle | undefined;
    for (const one of wanted) {
      const isWorkload = one.of === 'deployments' || one.of === 'daemonSets';
      if (isWorkload && isBlocked) continue;
      obstacle ??= await applyObject(one, name, this.#parts);
    }
    if (obstacle === undefined) await pruneObjects(name, wanted, this.#parts);
    if (obstacle !== undefined) return obstacle;
    if (references.missing.length > 0) return { reason: 'ObjectMissing', message: references.missing.join('; ') };
    if (revocation?.isSettled !== false) return undefined;
    return {
      reason: 'RevocationListPending',
      message: `waiting for the first download: ${revocation.missing.join('; ')}`,
    };
  }

  #list(
    object: IngressController,
    admission: Extract<Admission, { readonly isAdmitted: true }>,
    found: Pick<RouterContext, 'references' | 'revocationLists'> & Certificates,
  ): readonly RouterObject[] {
    const { stores, settings } = this.#parts;
    const names = namesOf(object.meta.name);
    const nodePort = stores.of('services').get(places.routers, names.nodePort);
    const spec = isRecord(nodePort) && isRecord(nodePort.spec) ? nodePort.spec : {};
    const ports = Array.isArray(spec.ports) ? spec.ports.filter(isRecord) : [];
    return makeObjects(object, admission, {
      image: settings.image,
      ipMode: settings.ipMode,
      hasOneNode: stores.of('nodes').in('').length === 1,
      ...found,
      stats: stores.of('secrets').get(places.routers, names.stats),
      hasMetricsNodePort: nodePort === undefined || ports.some((port) => port.name === 'metrics'),
    });
  }

  /** Returns the certificates in Secrets while they are usable; otherwise creates new ones. */
  async #findCertificates(name: string, domain: string): Promise<Certificates | Obstacle> {
    const { authority, stores } = this.#parts;
    const find = async (issuer: KeyPair, place: string, hosts: readonly string[]): Promise<KeyPair> => {
      const secret = stores.of('secrets').get(places.routers, place);
      const present = isRecord(secret) && isRecord(secret.data) ? readKeyPair(secret.data) : undefined;
      if (present !== undefined && isCurrent(present, issuer, hosts)) return present;
      return await createCertificate(issuer, hosts);
    };
    try {
      const issuer = await authority.get();
      const names = namesOf(name);
      return {
        certificate: await find(issuer, names.certificate, [`*.${domain}`]),
        metricsCertificate: await find(issuer, names.metricsCertificate, metricsHostsOf(name)),
      };
    } catch (error) {
      if (error instanceof AuthorityError) return { reason: 'AuthorityInvalid', message: error.message };
      throw error;
    }
  }

  async #report(
    object: IngressController,
    raw: unknown,
    admission: Admission,
    { obstacle, ignored, revocation }: Outcome,
  ): Promise<number | undefined> {
    const { api, leadership, signal, stores } = this.#parts;
    const { name } = object.meta;
    const rollout = this.#readRollout(name);
    // With other strategies it exists for a virtual address only. A Service of another owner is not described.
    const found = stores.of('services').get(places.routers, namesOf(name).router);
    const service = ownerOf(found) === name ? found : undefined;
    const parts: StatusParts = {
      admission,
      rollout,
      pods: listPods(stores.of('pods').in(places.routers), name),
      service,
      failure: await this.#findFailure(service),
      obstacle,
      ignored,
      // Until then, pods of an earlier template still admit clients.
      revocation: revocation?.isSettled === true ? revocation : undefined,
      tlsProfile: admission.isAdmitted
        ? serveTlsProfile(chooseTlsProfile(admission.spec.tlsSecurityProfile))
        : undefined,
      certificate: this.#readCertificate(name, admission),
      areSelectorsApplied: admission.isAdmitted && (await this.#applySelectors(object, rollout)),
    };
    let planned: PlannedStatus | undefined;
    const outcome = await patchStatus(api, raw, {
      path: pathOfController(name),
      plan: (seen) => {
        const current = seen === raw ? object : readIngressController(seen);
        // The decision concerns this generation; the watch delivers the next one.
        if (current?.meta.generation !== object.meta.generation) return undefined;
        planned = current && planStatus(current, parts);
        return planned?.patch;
      },
      leadership,
      signal,
    });
    if (typeof outcome !== 'string') this.#tell(object, admission);
    return planned?.next;
  }

  #readRollout(name: string): Rollout | undefined {
    const { stores } = this.#parts;
    const { router } = namesOf(name);
    return (
      readRollout('Deployment', stores.of('deployments').get(places.routers, router)) ??
      readRollout('DaemonSet', stores.of('daemonSets').get(places.routers, router))
    );
  }

  #readCertificate(name: string, admission: Admission): string | undefined {
    const own = admission.isAdmitted ? admission.spec.defaultCertificate?.name : undefined;
    const secret = this.#parts.stores.of('secrets').get(places.routers, own || namesOf(name).certificate);
    return isRecord(secret) && isRecord(secret.data) ? decode(secret.data['tls.crt']) : undefined;
  }

  /**
   * Removes entries of Routes that changed selectors exclude, once no pod with the old selectors can write them again.
   * Resolves to whether the selectors of the spec are in effect.
   */
  async #applySelectors(object: IngressController, rollout: Rollout | undefined): Promise<boolean> {
    if (selectorsInStatus(object)) return true;
    if (rollout === undefined || !isComplete(rollout)) return false;
    const { name } = object.meta;
    const count = await clearRouteStatuses(name, object.spec, this.#parts);
    this.#parts.log.info(
      { ingressController: name, count },
      'Removed entries from the statuses of Routes that are no longer selected',
    );
    return true;
  }

  /** Returns why the cloud creates no load balancer, from the Events of the Service. */
  async #findFailure(service: unknown): Promise<string | undefined> {
    const uid = isRecord(service) && isRecord(service.metadata) ? service.metadata.uid : undefined;
    if (typeof uid !== 'string' || isProvisioned(service)) return undefined;
    const { api, signal } = this.#parts;
    try {
      const query = { fieldSelector: `involvedObject.uid=${uid}`, limit: 100 };
      const path = `/api/v1/namespaces/${places.routers}/events`;
      const list = await within(again.events, signal, (limit) => api.get(path, query, limit));
      const events = isRecord(list) && Array.isArray(list.items) ? list.items.filter(isRecord) : [];
      const failure = events.findLast(
        ({ reason, source }) =>
          reason === 'SyncLoadBalancerFailed' && isRecord(source) && source.component === 'service-controller',
      );
      return typeof failure?.message === 'string' ? failure.message : undefined;
    } catch {
      // Events only explain; the condition is correct without them.
      return undefined;
    }
  }

  #tell({ meta, status }: IngressController, admission: Admission): void {
    const conditions = Array.isArray(status.conditions) ? status.conditions.filter(isRecord) : [];
    const before = conditions.find(({ type }) => type === 'Admitted');
    if (before?.status === (admission.isAdmitted ? 'True' : 'False')) return;
    const object: EventObject = {
      apiVersion: 'operator.openshift.io/v1',
      kind: 'IngressController',
      namespace: meta.namespace,
      name: meta.name,
      uid: meta.uid,
    };
    const { events, signal } = this.#parts;
    void (admission.isAdmitted
      ? events.tell(
          object,
          { type: 'Normal', reason: 'Admitted', message: 'ingresscontroller passed validation' },
          signal,
        )
      : events.tell(object, { type: 'Warning', reason: 'Rejected', message: admission.message }, signal));
  }
}

/** Returns the pods of a router. */
export function listPods(pods: readonly unknown[], name: string): readonly unknown[] {
  return pods.filter((pod) => {
    const labels = isRecord(pod) && isRecord(pod.metadata) ? pod.metadata.labels : undefined;
    return isRecord(labels) && labels[podLabel] === name;
  });
}
