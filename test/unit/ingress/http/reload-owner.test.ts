import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { reloadOwner } from '../../../../src/ingress/http/reload-owner.ts';

describe('reloadOwner', () => {
  for (const [cause, name, want] of [
    ['shape', 'be_http:shop:web', 'shop'],
    ['spares', 'be_tcp:shop:toy.web:1', 'shop'],
    ['size', 'shop:web', 'shop'],
    ['size', 'shop:inner-3:0815:https:0:ABCDEF', 'shop'],
    ['size', 'shop:certs/inner-3.ca.pem', 'shop'],
    ['size', 'certs/inner-3.pem', undefined],
    ['settings', 'settings', undefined],
    ['refused', 'set ssl cert certs/shop+inner-3+0815+https+0+AB.pem <<: failed', 'shop'],
    ['refused', 'add server be_http:shop:web/x 10.0.0.1:80: failed', 'shop'],
    ['refused', 'add map maps/hosts.map x y: failed', '(refused)'],
  ] as const) {
    it(`charges ${want ?? 'the administrator'} for ${cause} of ${name}`, () => {
      assert.equal(reloadOwner(cause, name), want);
    });
  }
});
