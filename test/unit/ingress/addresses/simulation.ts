import type { Level } from '../../../../src/ingress/addresses/allocation.ts';
import type { WantedAddress } from '../../../../src/ingress/addresses/documents.ts';
import { Election } from '../../../../src/ingress/addresses/election.ts';
import { Lifetimes } from '../../../../src/ingress/addresses/lifetimes.ts';
import type { PeerReport } from '../../../../src/ingress/addresses/peer-report.ts';
import type { Command } from '../../../../src/ingress/addresses/phase.ts';
import { timing } from '../../../../src/ingress/addresses/timing.ts';

/** Shorter than in production, so that a simulated minute shows moves of shares. */
const times = { ...timing, share: 3000 };

/** A node whose kernel keeps addresses until their lifetime ends, whatever its process does. */
class SimulatedNode {
  readonly name: string;
  election: Election;
  lifetimes = new Lifetimes(times);
  level: Level = 2;
  /** Process stopped until this time; infinite: killed. */
  pausedUntil = 0;
  /** The kernel is off, too. */
  isDead = false;
  /** Addresses on the interface, with the end of their lifetime. */
  readonly kernel = new Map<string, number>();
  readonly hidden = new Set<string>();
  readonly inbox: { readonly from: string; readonly report: PeerReport }[] = [];
  nextBeat: number;
  lastSent = '';

  constructor(name: string, now: number) {
    this.name = name;
    this.election = new Election(name, now, times);
    this.nextBeat = now;
  }

  has(address: string, now: number): boolean {
    return !this.isDead && (this.kernel.get(address) ?? 0) > now;
  }
}

interface Event {
  readonly at: number;
  readonly run: () => void;
}

/** Nodes on one segment: messages may be lost and late, links cut, processes stopped, nodes dead. */
export class Simulation {
  now = 0;
  readonly nodes: SimulatedNode[];
  readonly addresses: Pick<WantedAddress, 'address' | 'eligibleNodes'>[];
  /** Share of heartbeats that get lost. */
  loss = 0;
  readonly #random: () => number;
  readonly #cuts = new Set<string>();
  readonly #events: Event[] = [];
  /** Addresses of which each node serves established connections. */
  readonly moves: string[] = [];

  constructor(names: readonly string[], addresses: readonly string[], random: () => number) {
    this.nodes = names.map((name) => new SimulatedNode(name, 0));
    this.addresses = addresses.map((address) => ({ address }));
    this.#random = random;
  }

  node(name: string): SimulatedNode {
    const node = this.nodes.find((one) => one.name === name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }

  /** Cuts every link between two groups. */
  partition(group: readonly string[]): void {
    for (const one of this.nodes) {
      for (const other of this.nodes) {
        if (group.includes(one.name) !== group.includes(other.name)) this.#cuts.add(`${one.name} ${other.name}`);
      }
    }
  }

  /** Cuts one direction. */
  deafen(from: string, to: string): void {
    this.#cuts.add(`${from} ${to}`);
  }

  heal(): void {
    this.#cuts.clear();
  }

  pause(name: string, milliseconds: number): void {
    this.node(name).pausedUntil = this.now + milliseconds;
  }

  kill(name: string): void {
    const node = this.node(name);
    node.isDead = true;
    node.pausedUntil = Number.POSITIVE_INFINITY;
  }

  /** Starts a new process, which finds what the kernel still has. */
  restart(name: string): void {
    const node = this.node(name);
    if (node.isDead) node.kernel.clear();
    node.isDead = false;
    node.pausedUntil = 0;
    node.inbox.splice(0);
    node.election = new Election(name, this.now, times);
    node.lifetimes = new Lifetimes(times);
    node.nextBeat = this.now;
    this.#update(node);
    for (const { address } of this.addresses) {
      if (!node.has(address, this.now)) continue;
      node.election.adopt(address);
      this.#renew(node, address);
    }
  }

  /** Nodes whose kernel answers for an address. */
  holders(address: string): string[] {
    return this.nodes.filter((node) => node.has(address, this.now)).map(({ name }) => name);
  }

  /** Whether two nodes reach each other in both directions. */
  areConnected(one: string, other: string): boolean {
    return !this.#cuts.has(`${one} ${other}`) && !this.#cuts.has(`${other} ${one}`);
  }

  /** Runs for some time and calls `check` every 10 ms. */
  run(milliseconds: number, check: () => void = () => {}): void {
    for (const end = this.now + milliseconds; this.now < end; this.now += 10) {
      const due = this.#events.filter(({ at }) => at <= this.now);
      for (const event of due) {
        this.#events.splice(this.#events.indexOf(event), 1);
        event.run();
      }
      for (const node of this.nodes) if (node.pausedUntil <= this.now && !node.isDead) this.#step(node);
      check();
    }
  }

  /** Ends what the process did not finish before it was stopped or killed. */
  #later(node: SimulatedNode, least: number, run: () => void): void {
    const { election } = node;
    const attempt = (): void => {
      if (node.election !== election || node.isDead) return;
      if (node.pausedUntil > this.now) this.#events.push({ at: node.pausedUntil, run: attempt });
      else run();
    };
    this.#events.push({ at: this.now + least + this.#random() * 20, run: attempt });
  }

  #update(node: SimulatedNode): void {
    const members = this.nodes.map(({ name }) => name).filter((name) => name !== node.name);
    node.election.update({ members, addresses: this.addresses, level: node.level, why: 'drain' }, this.now);
  }

  #renew(node: SimulatedNode, address: string): void {
    node.kernel.set(address, this.now + times.lifetime);
    node.lifetimes.renewed(address, this.now);
  }

  #step(node: SimulatedNode): void {
    this.#update(node);
    for (const { from, report } of node.inbox.splice(0)) node.election.receive(from, report, this.now);
    for (const address of node.election.held) {
      if (node.kernel.has(address) && !node.lifetimes.isAlive(address, this.now)) {
        node.kernel.delete(address);
        node.lifetimes.forget(address);
        node.election.lost(address, this.now);
      }
    }
    for (const address of node.lifetimes.due(this.now)) this.#renew(node, address);
    for (const command of node.election.tick(this.now)) this.#execute(node, command);
    for (const { address, to, reason } of node.election.observer.takeMoves()) {
      if (to === node.name) this.moves.push(`${address} ${to} ${reason}`);
    }
    this.#send(node);
  }

  #send(node: SimulatedNode): void {
    const reports = this.nodes
      .filter((other) => other !== node)
      .map((other) => ({
        to: other,
        report: { ...node.election.reportTo(other.name), draining: [...node.hidden], links: [], isLeaving: false },
      }));
    const text = JSON.stringify(reports.map(({ report }) => ({ ...report, hears: true })));
    if (text === node.lastSent && this.now < node.nextBeat) return;
    node.lastSent = text;
    node.nextBeat = this.now + times.heartbeat;
    for (const { to, report } of reports) {
      if (this.#cuts.has(`${node.name} ${to.name}`) || this.#random() < this.loss) continue;
      this.#events.push({
        at: this.now + this.#random() * 20,
        run: () => {
          if (!to.isDead && to.pausedUntil !== Number.POSITIVE_INFINITY) to.inbox.push({ from: node.name, report });
        },
      });
    }
  }

  #execute(node: SimulatedNode, command: Command): void {
    const { election } = node;
    const { address } = command;
    switch (command.do) {
      case 'probe': {
        const answers = (): boolean =>
          this.nodes.some(
            (other) => other !== node && other.has(address, this.now) && this.areConnected(node.name, other.name),
          );
        const early = answers();
        this.#later(node, times.probe, () =>
          election.probed(address, early || answers() ? 'member' : 'free', this.now),
        );
        return;
      }
      case 'take':
        this.#later(node, 1, () => {
          node.hidden.delete(address);
          this.#renew(node, address);
          election.took(address);
        });
        return;
      case 'prepare':
        this.#later(node, 5, () => election.prepared(address));
        return;
      case 'hide':
        this.#later(node, 5, () => {
          node.kernel.delete(address);
          node.lifetimes.forget(address);
          node.hidden.add(address);
          election.hid(address, this.now);
        });
        return;
      case 'announce':
    }
  }
}
