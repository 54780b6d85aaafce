import { createHmac, timingSafeEqual } from 'node:crypto';
import * as z from 'zod/mini';
import type { Keys, RejectionReason } from './documents.ts';
import { moveReasons } from './documents.ts';
import type { PeerReport } from './peer-report.ts';

/** Maximum length of a datagram in bytes: 256 IPv6 addresses need 20 KiB. */
const longestDatagram = 60_000;
const protocol = 'era1';
/** Number of a member's incarnations to echo, so that replayed old heartbeats do not displace the current one. */
const mostCandidates = 4;
const mostSuperseded = 1000;

const text = z.string().check(z.maxLength(253));
const incarnation = z.string().check(z.regex(/^[0-9a-f]{16}$/));
const list = z.array(text).check(z.maxLength(1024));
const bodySchema = z.object({
  router: text,
  from: text,
  to: text,
  /** The sender's incarnation, chosen at random when it started. */
  inc: incarnation,
  /** Incarnations of the receiver that the sender has seen. */
  echo: z.array(incarnation).check(z.maxLength(mostCandidates + 1)),
  seq: z.int().check(z.positive()),
  report: z.object({
    level: z.literal([0, 1, 2]),
    hears: z.boolean(),
    isLeaving: z.boolean(),
    claims: z
      .array(
        z.object({
          address: text,
          epoch: z.int().check(z.nonnegative()),
          phase: z.enum(['held', 'offer', 'released']),
          to: z.optional(text),
          reason: z.optional(z.enum(moveReasons)),
        }),
      )
      .check(z.maxLength(1024)),
    prepared: list,
    draining: list,
    links: z
      .array(z.object({ mac: z.string().check(z.regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/)), addresses: list }))
      .check(z.maxLength(64)),
  }),
});

type Body = z.output<typeof bodySchema>;

/** Settings of the sessions, which change with the agent's documents. */
export interface HeartbeatSettings {
  readonly router: string;
  readonly node: string;
  readonly keys: Keys['keys'];
  /** Addresses of each member, by node. */
  readonly members: ReadonlyMap<string, readonly string[]>;
}

/** An accepted heartbeat. */
export interface Accepted {
  readonly from: string;
  readonly report: PeerReport;
  /** Number of this member's heartbeats that were lost before this one. */
  readonly lost: number;
}

interface Session {
  /** The incarnation that has echoed ours, and its last sequence number. */
  confirmed?: string;
  lastSequence: number;
  /** Incarnations that have not echoed ours yet, oldest first. */
  candidates: string[];
  readonly superseded: Set<string>;
  sent: number;
}

/**
 * Signs heartbeats and decides which ones count. A heartbeat counts if a known key signed it, it is addressed to this
 * node, comes from an address of its sender, echoes the random number that this process chose at its start, and is
 * newer than the last one. Replays from before a restart lack the echo, so no clock is needed. Nothing is ever sent in
 * response to a datagram.
 */
export class HeartbeatSessions {
  readonly #incarnation: string;
  readonly #sessions = new Map<string, Session>();
  settings: HeartbeatSettings = { router: '', node: '', keys: [], members: new Map() };

  /** @param ownIncarnation 16 random hexadecimal digits, new for each process */
  constructor(ownIncarnation: string) {
    this.#incarnation = ownIncarnation;
  }

  /** Returns a signed heartbeat. Undefined without a key. */
  write(to: string, report: PeerReport): Buffer | undefined {
    const [key] = this.settings.keys;
    if (key === undefined) return undefined;
    const session = this.#sessionOf(to);
    session.sent++;
    const { confirmed, candidates, sent } = session;
    const body: z.input<typeof bodySchema> = {
      router: this.settings.router,
      from: this.settings.node,
      to,
      inc: this.#incarnation,
      echo: confirmed === undefined ? candidates : [confirmed, ...candidates],
      seq: sent,
      report: report as z.input<typeof bodySchema>['report'],
    };
    const payload = `${key.id} ${JSON.stringify(body)}`;
    return Buffer.from(`${protocol} ${sign(key.secret, payload)} ${payload}`);
  }

  /** Reads a datagram from an address. Returns the reason if it is rejected. */
  read(datagram: Buffer, source: string): Accepted | RejectionReason {
    const body = this.#open(datagram);
    if (typeof body === 'string') return body;
    const { router, node, members } = this.settings;
    if (body.router !== router || body.to !== node) return 'router';
    if (body.from === node || members.get(body.from)?.includes(source) !== true) return 'sender';
    const session = this.#sessionOf(body.from);
    if (!body.echo.includes(this.#incarnation)) {
      noteCandidate(session, body.inc);
      return 'incarnation';
    }
    if (session.superseded.has(body.inc)) return 'replay';
    const isNew = session.confirmed !== body.inc;
    if (isNew) confirm(session, body.inc);
    if (body.seq <= session.lastSequence) return 'replay';
    const lost = isNew ? 0 : body.seq - session.lastSequence - 1;
    session.lastSequence = body.seq;
    return { from: body.from, report: body.report as PeerReport, lost };
  }

  /** Checks the signature before anything is parsed. */
  #open(datagram: Buffer): Body | RejectionReason {
    if (datagram.length > longestDatagram) return 'malformed';
    const match = /^era1 ([0-9a-f]{64}) (([A-Za-z0-9._-]{1,32}) (.*))$/s.exec(datagram.toString('utf8'));
    if (match === null) return 'malformed';
    const [, signature = '', payload = '', id, json = ''] = match;
    const key = this.settings.keys.find((one) => one.id === id);
    if (key === undefined) return 'unknown-key';
    const expected = Buffer.from(sign(key.secret, payload), 'hex');
    if (!timingSafeEqual(expected, Buffer.from(signature, 'hex'))) return 'signature';
    try {
      return z.parse(bodySchema, JSON.parse(json));
    } catch {
      return 'malformed';
    }
  }

  #sessionOf(member: string): Session {
    let session = this.#sessions.get(member);
    if (session === undefined) {
      session = { lastSequence: 0, candidates: [], superseded: new Set(), sent: 0 };
      this.#sessions.set(member, session);
    }
    return session;
  }
}

function noteCandidate(session: Session, inc: string): void {
  if (inc === session.confirmed || session.superseded.has(inc)) return;
  session.candidates = [...session.candidates.filter((one) => one !== inc), inc].slice(-mostCandidates);
}

/** The member has restarted. Its previous incarnation never counts again. */
function confirm(session: Session, inc: string): void {
  if (session.confirmed !== undefined) session.superseded.add(session.confirmed);
  for (const old of session.superseded) if (session.superseded.size > mostSuperseded) session.superseded.delete(old);
  session.confirmed = inc;
  session.candidates = [];
  session.lastSequence = 0;
}

function sign(secret: string, payload: string): string {
  return createHmac('sha256', Buffer.from(secret, 'base64')).update(`${protocol} ${payload}`).digest('hex');
}
