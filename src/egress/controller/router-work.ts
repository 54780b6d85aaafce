import type { DaemonLog } from '../../base/daemon/log.ts';
import { type KubeApi, KubeError } from '../../base/kubernetes/cluster-api.ts';
import { writeTime } from '../../base/kubernetes/conditions.ts';
import type { EventRecorder } from '../../base/kubernetes/events.ts';
import type { Leadership } from '../../base/kubernetes/leadership.ts';
import { within } from '../../base/kubernetes/limit.ts';
import { PartialFailure } from '../../base/kubernetes/work-queue.ts';
import { forAll } from '../../base/model/for-all.ts';
import { formatProblem } from '../../base/model/problem.ts';
import { namesOf } from '../../base/model/redirect.ts';
import type { Departures } from './failover/departures.ts';
import { type RouterPod, readRouterPod } from './failover/pods.ts';
import { AddressClaims, describeHolder } from './objects/address-claims.ts';
import { hashConfiguration, type ObjectSettings } from './objects/configuration.ts';
import { Leftovers } from './objects/leftovers.ts';
import { inForce, LiveChanges, type Progress, Sight } from './objects/live.ts';
import { assignMembers, type Member } from './objects/members.ts';
import type { RouterNames } from './objects/names.ts';
import { pathOf, resources } from './objects/resources.ts';
import { judgeChange, judgeRollout, lacksImage, type RolloutMember, type RolloutTurn } from './objects/rollouts.ts';
import type { Router } from './objects/router.ts';
import { chooseTemplate, readTemplate, type Template } from './objects/templates.ts';
import {
  applyMember,
  describeRefusal,
  isRefusal,
  type Outcome,
  pruneMembers,
  type ReconcileParts,
  waitForNames,
} from './reconcile.ts';
import { describeAsTheyAre, generationOf, listHeld, podsOf, type Stores } from './router-objects.ts';
import { again, lookAgain, orRetry } from './schedule.ts';
import { describeRouter, type MemberSituation, type Trouble, type Wait } from './status/conditions.ts';
import { findRefusal, PodEvents } from './status/pod-events.ts';
import { summarize } from './status/router-status.ts';
import { RouterStatusWriter } from './status/status.ts';

/** Dependencies of {@link RouterWork}. */
export interface WorkParts {
  readonly api: KubeApi;
  readonly settings: ObjectSettings;
  readonly stores: Stores;
  readonly events: EventRecorder;
  readonly log: DaemonLog;
  readonly departures: Departures;
  readonly leadership: Leadership;
  readonly signal: AbortSignal;
}

/** Milliseconds for the API server to return the current state of a pod. */
const freshness = 1500;

/** Maximum number of members of one router that are reconciled at a time. */
const concurrency = 8;

/** The members of one router and their operations in progress. */
interface Pool extends RolloutTurn {
  readonly members: readonly Member[];
  readonly pods: readonly RouterPod[];
}

/** Reconciles one router at a time and reports the result. */
export class RouterWork {
  /** Called when watching pods fails. */
  readonly sight = new Sight();
  readonly #parts: WorkParts;
  readonly #leftovers = new Leftovers();
  readonly #claims: AddressClaims;
  readonly #live: LiveChanges;
  readonly #status: RouterStatusWriter;
  readonly #podEvents: PodEvents;

  constructor(parts: WorkParts) {
    this.#parts = parts;
    this.#podEvents = new PodEvents(parts.api);
    this.#claims = new AddressClaims(parts.stores);
    this.#live = new LiveChanges(parts.settings.liveTimeout);
    const { api, log, events, leadership, signal, stores } = parts;
    const expect = (namespace: string, name: string) => stores.routers.expect(namespace, name);
    this.#status = new RouterStatusWriter({ api, log, events, leadership, expect, signal });
  }

  /**
   * Resolves to the milliseconds after which the router must be reconciled again, or undefined to wait for a change.
   * Rejects if a retry may help.
   */
  async run(router: Router, names: RouterNames | 'wait'): Promise<number | undefined> {
    if (names === 'wait') return this.#tell(router, { wait: waitForNames });
    const { stores } = this.#parts;
    const pods = podsOf(router, names, stores);
    if (!router.spec.ok) {
      // Objects of an earlier valid spec are kept, so that a mistake does not cut connections.
      const message = router.spec.problems.slice(0, 5).map(formatProblem).join('; ');
      return this.#tell(router, {
        trouble: { reason: 'InvalidSpec', message },
        members: describeAsTheyAre(pods),
      });
    }
    const members = assignMembers(names, router.spec.value, listHeld(router, stores));
    const parts = this.#reconcileParts();
    try {
      await pruneMembers(router, members, parts);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // An object that cannot be deleted may have a desired address.
      const trouble = describeRefusal(error);
      const next = await this.#tell(router, { trouble, members: describeAsTheyAre(pods) });
      return orRetry([trouble], next);
    }
    let isHeldBack = await this.#parts.departures.endLost(router, pods, (pod) => this.#avoidedBy(router, pod));
    let failure: KubeError | undefined;
    const pool = { members, pods, isRollingOut: false };
    // No router waits for requests of another, because all may have to leave a dead node.
    const done = await forAll(members, concurrency, async (member) => {
      try {
        const { situation, ...rest } = await this.#runMember(router, member, pool, parts);
        isHeldBack ||= rest.isHeldBack;
        return [situation];
      } catch (error) {
        // Continue with the other routers of the pool.
        if (!(error instanceof KubeError)) throw error;
        failure ??= error;
        return [];
      }
    });
    const situations = done.flat();
    const soonest = (next: number | undefined) =>
      isHeldBack ? Math.min(again.heldBack, next ?? again.heldBack) : next;
    if (failure !== undefined) throw new PartialFailure(failure, soonest(lookAgain(situations)));
    // Reporting does not delay moves.
    const told = await Promise.all(situations.map((situation) => this.#addPodEvent(router, situation)));
    const next = soonest(await this.#tell(router, { members: told }));
    return orRetry(
      told.map(({ trouble }) => trouble),
      next,
    );
  }

  async #runMember(
    router: Router,
    member: Member,
    pool: Pool,
    parts: ReconcileParts,
  ): Promise<{ readonly situation: MemberSituation; readonly isHeldBack: boolean }> {
    const { settings, stores, departures } = this.#parts;
    const { meta } = router;
    const configuration = hashConfiguration(member, settings);
    const own = this.#lookAt(router, member, pool.pods);
    const { template: current, pods } = own;
    const avoidedNodes = current?.avoidedNodes ?? [];
    const kept = chooseTemplate(member, settings, current, 'none', departures.deadNodes);
    const living = pods.find((pod) => !pod.isEnding && pod.configuration === kept.configuration);
    const progress: Progress =
      living === undefined ? { kind: 'settled' } : await this.#judgeLive(router, living, configuration);
    const { move, avoidedNodes: avoided, isHeldBack } = await departures.plan(router, pods, avoidedNodes);
    const rollout = judgeRollout(
      router.rollout,
      own,
      pool,
      pool.members.map((one) => this.#lookAt(router, one, pool.pods)),
    );
    const isReplaced = progress.kind === 'replace' || rollout === 'now' || lacksImage(pods, settings.image);
    const change = judgeChange(isReplaced, avoided !== undefined);
    const avoids = avoided ?? departures.deadNodes;
    const template = chooseTemplate(member, settings, current, change, avoids, router.rollout);
    const outcome = await this.#apply(router, member, template, parts);
    if (outcome.kind === 'applied' && move !== undefined) await departures.carryOut(router, move);
    const situation: MemberSituation = {
      addresses: member.spec.reserved.map(({ prefix }) => prefix.address.text),
      destinationNames: namesOf(member.spec.redirects),
      trouble: outcome.kind === 'trouble' ? outcome.trouble : undefined,
      wait: outcome.kind === 'waiting' ? outcome.wait : undefined,
      configuration,
      template: outcome.kind === 'waiting' ? undefined : template.configuration,
      pods,
      progress,
      podEvent: undefined,
      refusal: findRefusal(stores.deployments.get(meta.namespace, member.names.deployment)),
      image: settings.image,
      isRolloutWaiting: rollout === 'waiting',
    };
    return { situation, isHeldBack };
  }

  #lookAt({ meta }: Router, member: Member, all: readonly RouterPod[]): RolloutMember {
    const deployment = this.#parts.stores.deployments.get(meta.namespace, member.names.deployment);
    const pods = all.filter((pod) => pod.member === undefined || pod.member === member.key);
    return { member, template: readTemplate(deployment), pods };
  }

  /**
   * Returns the progress of a configuration in a pod. Before it gives up, it asks the API server, because the
   * daemon's report may not have arrived yet.
   */
  async #judgeLive({ meta }: Router, pod: RouterPod, wanted: string): Promise<Progress> {
    const judge = (): Progress => this.#live.judge(pod, wanted, performance.now(), this.sight.since);
    const progress = judge();
    if (progress.kind !== 'replace' || pod.refused?.configuration === wanted) return progress;
    const { api, signal } = this.#parts;
    const path = pathOf(resources.pods, meta.namespace, pod.name);
    const found = await within(freshness, signal, (limit) => api.get(path, {}, limit)).catch(() => undefined);
    const now = readRouterPod(found);
    if (now === undefined || inForce(now) === wanted) return { kind: 'pending', left: again.heldBack };
    this.sight.confirm(performance.now());
    return judge();
  }

  /** Returns the nodes that the Deployment of a pod avoids. */
  #avoidedBy({ meta }: Router, { deployment }: RouterPod): readonly string[] {
    const made = deployment && this.#parts.stores.deployments.get(meta.namespace, deployment);
    return readTemplate(made)?.avoidedNodes ?? [];
  }

  async #apply(router: Router, member: Member, template: Template, parts: ReconcileParts): Promise<Outcome> {
    const { names } = member;
    const taken = this.#claims.findHolder(router, member);
    if (taken !== undefined) {
      const message = describeHolder(router, taken.address, taken.holder);
      return { kind: 'trouble', trouble: { reason: 'AddressTaken', message } };
    }
    const pods = this.#parts.stores.pods.in(router.meta.namespace);
    const leaving = () => this.#claims.findLeaving(router, member);
    const findLeftover = () => this.#leftovers.find(router.meta, names, pods, performance.now(), leaving);
    const outcome = await applyMember(router, member, template, { ...parts, findLeftover });
    if (outcome.kind === 'applied') this.#leftovers.forget(router.meta, names);
    return outcome;
  }

  #reconcileParts(): ReconcileParts {
    const { api, settings, stores, leadership, signal } = this.#parts;
    const { definitions, deployments } = stores;
    return { api, settings, definitions, deployments, leadership, signal, findLeftover: () => undefined };
  }

  /** Writes the status, which determines when the router must be reconciled again. */
  async #tell(
    router: Router,
    words: { readonly trouble?: Trouble; readonly wait?: Wait; readonly members?: readonly MemberSituation[] },
  ): Promise<number | undefined> {
    const { trouble, wait, members = [] } = words;
    const situation = {
      trouble,
      wait,
      members,
      generation: router.generation,
      availableGeneration: generationOf(router.conditions),
    };
    await this.#status.write(router, describeRouter(situation), summarize(members, router.status, writeTime()));
    if (wait !== undefined) return again.waiting;
    return trouble === undefined ? lookAgain(members) : again.trouble;
  }

  async #addPodEvent({ meta }: Router, situation: MemberSituation): Promise<MemberSituation> {
    const failing = situation.pods.find(({ isReady, isEnding }) => !isReady && !isEnding);
    if (failing === undefined) return situation;
    return { ...situation, podEvent: await this.#podEvents.latest(meta.namespace, failing.uid, this.#parts.signal) };
  }
}
