import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { DaemonLog } from '../../base/daemon/log.ts';
import { writeWhole } from '../../base/files/write-whole.ts';
import { ensureFolder } from '../../base/linux/run-folder.ts';
import type { Link } from '../../base/model/network.ts';
import { DocumentFiles } from './document-files.ts';
import { addressFiles, type Wanted } from './documents.ts';
import { Election } from './election.ts';
import { type Fitness, judgeFitness } from './fitness.ts';
import { HeartbeatSessions } from './heartbeat.ts';
import { AnswerCheck } from './linux/answer-check.ts';
import { Drain } from './linux/drain.ts';
import { HeartbeatSockets } from './linux/heartbeat-sockets.ts';
import { Holder } from './linux/holder.ts';
import { KernelAddresses, loopback } from './linux/kernel-addresses.ts';
import { MemberMacs } from './linux/member-macs.ts';
import { describeRules } from './linux/rule-source.ts';
import { Ruleset } from './linux/ruleset.ts';
import { Succession } from './linux/succession.ts';
import { MemberAddresses } from './member-addresses.ts';
import type { AddressOptions } from './options.ts';
import type { PeerReport } from './peer-report.ts';
import type { Command } from './phase.ts';
import { RivalWatch } from './rival-watch.ts';
import { type RuleInput, renderRemoval, renderRules } from './rules.ts';
import { describeState, History } from './state.ts';
import { timing } from './timing.ts';

/** Milliseconds between two steps; without addresses, the interval at which the files are read. */
const stepTime = 50;
const idleTime = 500;
/** Milliseconds between reads of files, links and sockets. */
const lookTime = { files: 100, links: 1000, checks: 500, rules: 200, report: 200, state: 1000 } as const;
/** Milliseconds after which rules are reloaded, before their timeouts expire. */
const ruleRenewal = { moving: 20_000, resting: 240_000 } as const;
/** Milliseconds that other nodes have to take the addresses of an exiting process. */
const handOverTime = 10_000;

/** The process that holds virtual addresses on a node. */
export class AddressDaemon {
  readonly #options: AddressOptions;
  readonly #log: DaemonLog;
  readonly #files: DocumentFiles;
  readonly #succession: Succession;
  readonly #kernel = new KernelAddresses();
  readonly #holder: Holder;
  readonly #drain: Drain;
  readonly #sessions = new HeartbeatSessions(randomBytes(8).toString('hex'));
  readonly #sockets: HeartbeatSockets;
  readonly #rules: Ruleset;
  readonly #history = new History();
  readonly #rivals = new RivalWatch();
  readonly #check = new AnswerCheck();
  readonly #peers = new MemberAddresses();
  readonly #macs = new MemberMacs(this.#kernel.socket);
  readonly #obstacles = new Map<string, string>();
  /** Addresses whose loaded rules forward the connections of their holder. */
  readonly #prepared = new Set<string>();
  /** Work on one address at a time, in order. */
  readonly #work = new Map<string, Promise<void>>();
  readonly #next = { files: 0, links: 0, checks: 0, rules: 0, report: 0, state: 0, reload: 0, beat: 0 };
  readonly #lastHeard = new Map<string, number>();
  #election: Election | undefined;
  /** Addresses with the nodes that may hold them, as of the last reading of the links. */
  #possible: Wanted['addresses'] = [];
  #fitness: Fitness = { level: 0 };
  #timer: NodeJS.Timeout | undefined;
  #lastSent = '';
  #lastState = '';
  #isStopping = false;
  #mustRelease = false;
  #isLeaving = false;
  #isClosed = false;
  #isSoon = false;
  #isReloading = false;
  #hasRules = false;
  /** Whether rules of a previous process may forward connections to members that this one has not heard yet. */
  #hasInherited = false;

  constructor(options: AddressOptions, log: DaemonLog) {
    this.#options = options;
    this.#log = log;
    const onProblem = (problem: string): void => log.warn({}, problem);
    this.#succession = new Succession(options.directory);
    this.#files = new DocumentFiles(options.directory, performance.now(), onProblem);
    this.#holder = new Holder(this.#kernel, log);
    this.#drain = new Drain(options.drainTimeout, log);
    this.#sockets = new HeartbeatSockets((datagram, source) => this.#receive(datagram, source), onProblem);
    const removal = (): string => renderRemoval(this.#files.wanted?.router ?? '');
    this.#rules = new Ruleset(() => renderRules(this.#describeRules()), removal);
  }

  /**
   * Starts to hold addresses, or to wait for the process that does, such as the one of the previous pod in an update.
   * Throws if the folder cannot be used.
   */
  start(): void {
    ensureFolder(this.#options.directory);
    this.#succession.await(
      () => this.#step(),
      (error) => this.#log.error({ err: error }, 'Cannot lock the folder of virtual addresses; retrying'),
    );
    if (this.#succession.isActive) return;
    this.#log.info({}, 'Another process holds the virtual addresses of this node; waiting for it to exit');
  }

  /**
   * Leaves everything to a waiting process of this node if there is one. Otherwise hands addresses over, serves their
   * connections until they end, and removes everything.
   */
  async stop(): Promise<void> {
    if (!this.#succession.isActive) {
      if (!this.#succession.cancel()) return;
      this.#step();
    }
    if (await this.#yield()) return;
    this.#isStopping = true;
    const election = this.#election;
    if (election !== undefined) {
      const deadline = performance.now() + handOverTime;
      while (this.#mustWaitForMembers(election) && performance.now() < deadline) await pause(stepTime);
      // Without another node, the address stays until this node's connections have ended.
      const end = performance.now() + this.#options.drainTimeout;
      while (performance.now() < end) {
        if (await this.#yield()) return;
        await this.#drain.count([...this.#drain.addresses, ...election.held]);
        const isBusy = [...this.#drain.addresses, ...election.held].some((one) => this.#drain.localOf(one) > 0);
        if (!isBusy) break;
        await pause(1000);
      }
      this.#isLeaving = this.#drain.hasForwarded;
      this.#mustRelease = true;
      this.#sendHeartbeats(election);
      await pause(timing.heartbeat);
    }
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#sockets.close();
    this.#holder.close();
    if (this.#files.wanted !== undefined) await this.#rules.close();
  }

  /** Whether an exit now would leave addresses without a holder until other nodes notice it. */
  #mustWaitForMembers(election: Election): boolean {
    const hasMembers = this.#files.wanted?.members.some(({ node }) => election.isAlive(node)) ?? false;
    return hasMembers && (election.held.length > 0 || election.isHandingOver);
  }

  /**
   * Leaves addresses, connections and rules as they are to a waiting process, which renews the addresses before their
   * lifetimes end. Returns whether there is one.
   */
  async #yield(): Promise<boolean> {
    const deadline = performance.now() + handOverTime;
    // Rules that finish loading later would replace those of the successor.
    const isBusy = (): boolean => this.#work.size > 0 || this.#rules.isLoading;
    while (this.#succession.hasSuccessor && isBusy() && performance.now() < deadline) await pause(10);
    if (!this.#succession.hasSuccessor) return false;
    // The successor binds the same port at once.
    this.#sockets.close();
    this.#next.links = 0;
    if (!this.#succession.yield()) return false;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#log.info({}, 'Handed the virtual addresses over to the next process on this node');
    return true;
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    const isIdle = (this.#files.wanted?.addresses.length ?? 0) === 0 && this.#drain.addresses.length === 0;
    this.#timer = setTimeout(() => this.#step(), isIdle ? idleTime : stepTime);
  }

  /** Schedules one step for all events of this turn of the event loop. */
  #stepSoon(): void {
    if (this.#isSoon) return;
    this.#isSoon = true;
    setImmediate(() => {
      this.#isSoon = false;
      if (!this.#isClosed) this.#step();
    });
  }

  /** An error in one step must not stop the renewal of all addresses. */
  #step(): void {
    try {
      this.#advance();
    } catch (error) {
      this.#log.error({ err: error }, 'Cannot advance the election; retrying');
    } finally {
      this.#schedule();
    }
  }

  #advance(): void {
    const now = performance.now();
    if (this.#isDue('files', now)) this.#readFiles(now);
    const { wanted } = this.#files;
    if (wanted === undefined) return;
    if (this.#isDue('links', now)) {
      const virtual = new Set([...wanted.addresses.map(({ address }) => address), ...this.#drain.addresses]);
      this.#holder.refresh(virtual);
      this.#bindSockets(wanted);
      this.#possible = this.#listPossible(wanted);
    }
    if (this.#isDue('checks', now)) void this.#check.run(wanted.checks);
    this.#election ??= this.#begin(wanted, now);
    const election = this.#election;
    for (const address of this.#holder.renew()) {
      this.#log.warn({ address }, 'The lifetime of an address expired because this process was not running');
      election.lost(address, now);
    }
    this.#holder.announceDue(now);
    this.#watchRivals(election, now);
    const isAnswering = wanted.checks.length === 0 || this.#check.isAnswering;
    const evidence = { wanted, age: this.#files.ageAt(now), isAnswering, isStopping: this.#isStopping };
    this.#fitness = this.#mustRelease ? { level: 0, why: 'drain' } : judgeFitness(evidence);
    const members = wanted.members.map(({ node }) => node).filter((node) => node !== wanted.node);
    election.update({ members, addresses: this.#possible, ...this.#fitness }, now);
    for (const command of election.tick(now)) this.#execute(election, command);
    for (const move of election.observer.takeMoves()) {
      this.#history.add(move, Date.now());
      this.#log.info({ ...move }, 'A virtual address moved');
    }
    this.#drain.tick(now, (address) => this.#endDrain(address));
    this.#renewRules(now);
    if (now >= this.#next.beat || this.#reportText(election) !== this.#lastSent) this.#sendHeartbeats(election);
    if (this.#isDue('report', now)) this.#writeState(election, wanted, now);
  }

  #isDue(what: keyof typeof lookTime, now: number): boolean {
    if (now < this.#next[what]) return false;
    this.#next[what] = now + lookTime[what];
    return true;
  }

  #readFiles(now: number): void {
    if (!this.#files.poll(now)) return;
    const { wanted, keys } = this.#files;
    if (wanted === undefined) return;
    this.#sessions.settings = {
      router: wanted.router,
      node: wanted.node,
      keys,
      members: new Map(wanted.members.map(({ node, addresses }) => [node, addresses])),
    };
    this.#next.links = 0;
  }

  #bindSockets(wanted: Wanted): void {
    const own = wanted.members.find(({ node }) => node === wanted.node);
    const isIdle = wanted.addresses.length === 0 && this.#drain.addresses.length === 0;
    this.#sockets.bind(isIdle ? [] : (own?.addresses ?? []), own?.port ?? 1);
  }

  /** Adopts the addresses that the kernel still has from a previous process. */
  #begin(wanted: Wanted, now: number): Election {
    const election = new Election(wanted.node, now, { ...timing, share: this.#options.shareDelay });
    for (const { address, interface: name } of wanted.addresses) {
      const link = this.#holder.segment.linkOf(address, name);
      const carriers = this.#holder.segment.carriersOf(address).filter(({ isPermanent }) => !isPermanent);
      if (carriers.some(({ linkIndex }) => linkIndex === link?.index) && link !== undefined) {
        this.#log.info({ address }, 'Adopted an address of a previous process');
        election.adopt(address);
        this.#holder.take(address, link);
        this.#hasInherited = true;
      } else if (carriers.some(({ linkIndex }) => linkIndex === loopback)) {
        this.#holder.hide(address);
        this.#drain.add(address, false, now);
        this.#hasInherited = true;
      }
    }
    return election;
  }

  /** Addresses for which this node has an interface. Records the reason for the others. */
  #listPossible(wanted: Wanted): Wanted['addresses'] {
    return wanted.addresses.map((one) => {
      const obstacle = this.#obstacleOf(one);
      if (obstacle === undefined) {
        this.#obstacles.delete(one.address);
        return one;
      }
      this.#obstacles.set(one.address, obstacle);
      const nodes = one.eligibleNodes ?? wanted.members.map(({ node }) => node);
      return { ...one, eligibleNodes: nodes.filter((node) => node !== wanted.node) };
    });
  }

  #obstacleOf({ address, interface: name }: Wanted['addresses'][number]): string | undefined {
    const { segment } = this.#holder;
    if (segment.linkOf(address, name) === undefined && !this.#holder.isHeld(address)) {
      return name === undefined
        ? `No interface of this node has a subnet that contains ${address}; set the pool's interface.`
        : `This node has no interface ${name} that is up.`;
    }
    const isFixed = segment.carriersOf(address).some(({ isPermanent }) => isPermanent);
    return isFixed ? `An interface of this node has ${address} permanently; remove it there.` : undefined;
  }

  #execute(election: Election, command: Command): void {
    const { address } = command;
    const before = this.#work.get(address) ?? Promise.resolve();
    const work = before
      .then(() => this.#perform(election, command))
      .catch((error: unknown) => {
        this.#log.error({ err: error, address }, `Cannot ${command.do} an address`);
        if (command.do === 'hide') this.#release(election, address);
        else election.lost(address, performance.now());
      })
      .finally(() => {
        if (this.#work.get(address) === work) this.#work.delete(address);
        // Other members wait for the result.
        this.#stepSoon();
      });
    this.#work.set(address, work);
  }

  async #perform(election: Election, command: Command): Promise<void> {
    const { address } = command;
    const link = this.#linkOf(address);
    switch (command.do) {
      case 'announce':
        return this.#holder.announce(address);
      case 'probe': {
        // Rules of a takeover load while the link is probed: until this node takes the address, clients wait.
        if (this.#rules.isStale) void this.#loadRules().catch(() => {});
        const result =
          link === undefined ? 'member' : await this.#holder.probe(address, link, (mac) => this.#isMember(mac));
        if (typeof result === 'object') this.#log.warn({ address, ...result }, 'Another machine uses an address');
        return election.probed(address, result, performance.now());
      }
      case 'prepare':
        await this.#loadRules();
        this.#prepared.add(address);
        return election.prepared(address);
      case 'take':
        if (link === undefined) return election.lost(address, performance.now());
        await this.#readyRules(address);
        this.#holder.take(address, link);
        return election.took(address);
      case 'hide':
        this.#drain.add(address, this.#fitness.level > 0, performance.now());
        await this.#loadRules();
        this.#holder.hide(address);
        return election.hid(address, performance.now());
    }
  }

  /**
   * Loads rules before this node takes an address. A prepared hand-over has loaded them already: until this node takes
   * the address, no node answers for it.
   */
  async #readyRules(address: string): Promise<void> {
    const isHidden = this.#drain.addresses.includes(address);
    const isPrepared = this.#prepared.delete(address);
    this.#drain.remove(address);
    if (isHidden || (!isPrepared && this.#rules.isStale)) await this.#loadRules();
  }

  #release(election: Election, address: string): void {
    this.#drain.remove(address);
    this.#holder.release(address);
    election.hid(address, performance.now());
  }

  /** The connections of an address have ended. */
  #endDrain(address: string): void {
    this.#drain.remove(address);
    this.#holder.unhide(address);
    void this.#loadRules().catch((error: unknown) => this.#log.error({ err: error }, 'Cannot load rules; retrying'));
  }

  #linkOf(address: string): Link | undefined {
    const wanted = this.#files.wanted?.addresses.find((one) => one.address === address);
    return this.#holder.segment.linkOf(address, wanted?.interface);
  }

  #watchRivals(election: Election, now: number): void {
    for (const { address, mac, link } of this.#holder.pollClaims()) {
      if (this.#isMember(mac) || !this.#rivals.claimed(address, mac, now)) continue;
      this.#log.warn({ address, mac }, 'Another machine claims an address that this node holds; probing');
      void this.#holder
        .probe(address, link, (one) => this.#isMember(one))
        .then((result) => {
          if (typeof result === 'object') election.foreignOwner(address, result.rival, performance.now());
          else this.#holder.announce(address);
        });
    }
  }

  #renewRules(now: number): void {
    const isEmpty = (this.#files.wanted?.addresses.length ?? 0) === 0 && this.#drain.addresses.length === 0;
    if (isEmpty && !this.#hasRules) return;
    // The kernel still has the rules of the previous process. Without the members' reports, new rules would reset the
    // connections that those forward.
    if (this.#hasInherited && !this.#hasRules && this.#election?.isSettled(now) === false) return;
    if (now < this.#next.reload && !(this.#isDue('rules', now) && this.#rules.isStale)) return;
    if (this.#isReloading) return;
    this.#isReloading = true;
    void this.#loadRules()
      .catch((error: unknown) => {
        this.#next.reload = performance.now() + 1000;
        this.#log.error({ err: error }, 'Cannot load rules; retrying');
      })
      .finally(() => {
        this.#isReloading = false;
      });
  }

  async #loadRules(): Promise<void> {
    const isMoving = this.#drain.addresses.length > 0 || this.#describeRules().drained.length > 0;
    this.#next.reload = performance.now() + (isMoving ? ruleRenewal.moving : ruleRenewal.resting);
    this.#hasRules = true;
    await this.#rules.load();
  }

  #describeRules(): RuleInput {
    return describeRules({
      wanted: this.#files.wanted,
      election: this.#election,
      segment: this.#holder.segment,
      drain: this.#drain,
      members: this.#peers,
      linkOf: (address) => this.#linkOf(address),
    });
  }

  /** Whether a machine is a member. Heartbeats resolve conflicts with members. */
  #isMember(mac: string): boolean {
    if (this.#peers.isMember(mac)) return true;
    const addresses = new Set(this.#files.wanted?.members.flatMap((member) => member.addresses));
    return this.#macs.has(mac, addresses, performance.now());
  }

  #receive(datagram: Buffer, source: string): void {
    const election = this.#election;
    const accepted = this.#sessions.read(datagram, source);
    if (typeof accepted === 'string') this.#history.reject(accepted);
    if (typeof accepted === 'string' || election === undefined) return;
    const now = performance.now();
    this.#history.counters.lostHeartbeats += accepted.lost;
    this.#lastHeard.set(accepted.from, Date.now());
    this.#peers.learn(accepted.from, accepted.report.links);
    const hasNews = election.receive(accepted.from, accepted.report, now);
    if (hasNews) this.#stepSoon();
  }

  #reportFor(election: Election, member: string): PeerReport {
    const draining = this.#drain.list().flatMap(({ address, isActive }) => (isActive ? [address] : []));
    return {
      ...election.reportTo(member),
      isLeaving: this.#isLeaving,
      draining,
      links: this.#holder.segment.links,
    };
  }

  #reportText(election: Election): string {
    return JSON.stringify(this.#reportFor(election, ''));
  }

  #sendHeartbeats(election: Election): void {
    const { wanted } = this.#files;
    if (wanted === undefined) return;
    this.#next.beat = performance.now() + timing.heartbeat;
    this.#lastSent = this.#reportText(election);
    for (const { node, addresses, port } of wanted.members) {
      if (node === wanted.node) continue;
      const datagram = this.#sessions.write(node, this.#reportFor(election, node));
      if (datagram !== undefined) this.#sockets.send(datagram, addresses, port);
    }
  }

  #writeState(election: Election, wanted: Wanted, now: number): void {
    const members = wanted.members.map(({ node }) => {
      const isSelf = node === wanted.node;
      return {
        node,
        lastHeard: isSelf ? Date.now() : this.#lastHeard.get(node),
        isAlive: isSelf || election.isAlive(node),
        isReady: isSelf ? this.#fitness.level === 2 : election.isAlive(node) && election.reportOf(node)?.level === 2,
      };
    });
    const input = {
      wanted,
      at: Date.now(),
      reason: this.#fitness.reason,
      members,
      views: election.views(),
      draining: this.#drain.counts(),
      obstacles: this.#obstacles,
      rivals: this.#rivals.count + election.observer.rivals,
      lostMembers: election.observer.lostMembers,
    };
    const text = JSON.stringify([input.views, members.map((one) => ({ ...one, lastHeard: 0 })), this.#fitness]);
    if (text === this.#lastState && !this.#isDue('state', now)) return;
    this.#lastState = text;
    this.#next.state = now + lookTime.state;
    const state = describeState(input, this.#history);
    writeWhole(`${this.#options.directory}/${addressFiles.state}`, `${JSON.stringify(state)}\n`, 0o600);
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
