import assert from 'node:assert/strict';
import type { RejectionReason } from '../../../../src/ingress/addresses/documents.ts';
import { HeartbeatSessions } from '../../../../src/ingress/addresses/heartbeat.ts';
import type { PeerReport } from '../../../../src/ingress/addresses/peer-report.ts';

const addresses = { a: '192.0.2.1', b: '192.0.2.2', c: '192.0.2.3' } as const;
type Node = keyof typeof addresses;
const key = { id: 'one', secret: Buffer.alloc(32, 1).toString('base64') };
const nextKey = { id: 'two', secret: Buffer.alloc(32, 2).toString('base64') };

const report: PeerReport = {
  level: 2,
  hears: true,
  isLeaving: false,
  claims: [{ address: '192.0.2.10', epoch: 3, phase: 'held' }],
  prepared: [],
  draining: [],
  links: [{ mac: '02:00:00:00:00:01', addresses: ['192.0.2.1'] }],
};

let starts = 0;
function startSessions(node: Node, keys = [key], router = 'ingress'): HeartbeatSessions {
  const sessions = new HeartbeatSessions((++starts).toString(16).padStart(16, '0'));
  const members = new Map(Object.entries(addresses).map(([name, address]) => [name, [address]]));
  sessions.settings = { router, node, keys, members };
  return sessions;
}

function write(from: HeartbeatSessions, to: Node): Buffer {
  return from.write(to, report) ?? Buffer.alloc(0);
}

function outcome(read: ReturnType<HeartbeatSessions['read']>): RejectionReason | 'accepted' {
  return typeof read === 'string' ? read : 'accepted';
}

/** Two nodes that have accepted each other. */
function pairUp(): { a: HeartbeatSessions; b: HeartbeatSessions } {
  const [a, b] = [startSessions('a'), startSessions('b')];
  assert.equal(outcome(b.read(write(a, 'b'), addresses.a)), 'incarnation');
  assert.equal(outcome(a.read(write(b, 'a'), addresses.b)), 'accepted');
  assert.equal(outcome(b.read(write(a, 'b'), addresses.a)), 'accepted');
  return { a, b };
}

describe('HeartbeatSessions', () => {
  it('accepts a heartbeat only after its sender has heard this process', () => {
    const { a, b } = pairUp();
    const accepted = b.read(write(a, 'b'), addresses.a);
    assert.deepEqual(accepted, { from: 'a', report, lost: 0 });
  });

  it('counts lost heartbeats', () => {
    const { a, b } = pairUp();
    write(a, 'b');
    write(a, 'b');
    const accepted = b.read(write(a, 'b'), addresses.a);
    assert.ok(typeof accepted !== 'string');
    assert.equal(accepted.lost, 2);
  });

  it('rejects a heartbeat that arrives twice or late', () => {
    const { a, b } = pairUp();
    const [first, second] = [write(a, 'b'), write(a, 'b')];
    assert.equal(outcome(b.read(second, addresses.a)), 'accepted');
    assert.equal(outcome(b.read(second, addresses.a)), 'replay');
    assert.equal(outcome(b.read(first, addresses.a)), 'replay');
  });

  it('rejects replays after a restart of either side, and accepts the new processes', () => {
    const { a, b } = pairUp();
    const recorded = [write(a, 'b'), write(a, 'b')];
    const restarted = startSessions('b');
    for (const datagram of recorded) assert.equal(outcome(restarted.read(datagram, addresses.a)), 'incarnation');
    const newA = startSessions('a');
    assert.equal(outcome(b.read(write(newA, 'b'), addresses.a)), 'incarnation');
    assert.equal(outcome(newA.read(write(b, 'a'), addresses.b)), 'accepted');
    assert.equal(outcome(b.read(write(newA, 'b'), addresses.a)), 'accepted');
    // The old process's heartbeats echo this process, too.
    assert.equal(outcome(b.read(recorded[1] as Buffer, addresses.a)), 'replay');
    assert.equal(outcome(b.read(write(newA, 'b'), addresses.a)), 'accepted');
  });

  it('keeps the current session despite replayed heartbeats of many old processes', () => {
    const { a, b } = pairUp();
    for (let index = 0; index < 20; index++) b.read(write(startSessions('a'), 'b'), addresses.a);
    assert.equal(outcome(a.read(write(b, 'a'), addresses.b)), 'accepted');
    assert.equal(outcome(b.read(write(a, 'b'), addresses.a)), 'accepted');
  });

  const forgeries: readonly (readonly [string, (sent: Buffer) => Buffer, string, RejectionReason])[] = [
    ['from another address', (sent) => sent, addresses.c, 'sender'],
    ['from an address of no member', (sent) => sent, '192.0.2.99', 'sender'],
    ['with a changed body', (sent) => Buffer.from(sent.toString().replace('held', 'hold')), addresses.a, 'signature'],
    [
      'with an unknown key',
      (sent) => Buffer.from(sent.toString().replace(' one ', ' six ')),
      addresses.a,
      'unknown-key',
    ],
    ['that is empty', () => Buffer.alloc(0), addresses.a, 'malformed'],
    ['that is too long', () => Buffer.alloc(65_000, 0x20), addresses.a, 'malformed'],
  ];
  for (const [name, forge, source, reason] of forgeries) {
    it(`rejects a datagram ${name}`, () => {
      const { a, b } = pairUp();
      assert.equal(outcome(b.read(forge(write(a, 'b')), source)), reason);
    });
  }

  it('rejects heartbeats for another node or router', () => {
    const { a } = pairUp();
    assert.equal(outcome(startSessions('c').read(write(a, 'b'), addresses.a)), 'router');
    assert.equal(outcome(startSessions('b', [key], 'other').read(write(a, 'b'), addresses.a)), 'router');
  });

  it('rejects a heartbeat of its own that is reflected', () => {
    const a = startSessions('a');
    assert.equal(outcome(a.read(write(a, 'a'), addresses.a)), 'sender');
  });

  it('accepts every key and signs with the first one', () => {
    const { a, b } = pairUp();
    b.settings = { ...b.settings, keys: [key, nextKey] };
    assert.equal(outcome(b.read(write(a, 'b'), addresses.a)), 'accepted');
    a.settings = { ...a.settings, keys: [nextKey, key] };
    assert.equal(outcome(b.read(write(a, 'b'), addresses.a)), 'accepted');
    b.settings = { ...b.settings, keys: [key] };
    assert.equal(outcome(b.read(write(a, 'b'), addresses.a)), 'unknown-key');
  });

  it('writes nothing without a key', () => {
    assert.equal(startSessions('a', []).write('b', report), undefined);
  });
});
