import assert from 'node:assert/strict';
import { keysSchema } from '../../../../../src/ingress/addresses/documents.ts';
import {
  type KeyRing,
  readRing,
  rotateKeys,
  writeRing,
} from '../../../../../src/ingress/agent/addresses/key-rotation.ts';

const times = { period: 1000, overlap: 100 };

describe('rotateKeys', () => {
  it('creates the first key, and keeps a key of the previous ring in every new one', () => {
    let now = Date.now();
    let ring = rotateKeys(undefined, now, times) as KeyRing;
    assert.equal(keysSchema.parse(JSON.parse(writeRing(ring))).keys.length, 1);
    const signers: string[] = [];
    for (let turn = 0; turn < 6; turn++) {
      assert.equal(rotateKeys(ring, now + 50, times), undefined, 'changes before the time');
      now += ring.keys.length === 1 ? times.period : times.overlap;
      const next = rotateKeys(ring, now, times) as KeyRing;
      const known = new Set(ring.keys.map(({ id }) => id));
      // A node with the older ring verifies the signer of the newer one, and the other way round.
      assert.ok(known.has(next.keys[0]?.id ?? ''), 'the new signer is not known to others yet');
      assert.ok(
        next.keys.some(({ id }) => id === ring.keys[0]?.id),
        'the previous signer is not accepted any more',
      );
      ring = next;
      signers.push(ring.keys[0]?.id ?? '');
    }
    // Two rotations of three steps.
    assert.equal(new Set(signers).size, 3);
    assert.equal(ring.keys.length, 1);
  });

  it('continues after a wrong clock was corrected', () => {
    const ring = rotateKeys(undefined, Date.now() + 1e9, times) as KeyRing;
    assert.equal(rotateKeys(ring, Date.now(), times)?.keys.length, 2);
  });
});

describe('readRing', () => {
  for (const text of [
    '',
    '{}',
    '{"version":1,"keys":[],"changedAt":1}',
    '{"version":1,"keys":[{"id":"a","secret":"c2hvcnQ="}],"changedAt":1}',
  ]) {
    it(`rejects ${text || 'nothing'}`, () => assert.equal(readRing(text), undefined));
  }
});
