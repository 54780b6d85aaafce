import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { planChange } from '../../../../src/ingress/haproxy/difference.ts';
import { freshLayout } from '../../../../src/ingress/haproxy/layout.ts';
import type { HttpBackend } from '../../../../src/ingress/haproxy/model.ts';
import { makeBackend, makeServer, makeSettings, makeState } from '../../../netns/ingress/haproxy/fixtures.ts';

const id = 'be_http:shop:web';
const gateways = { ports: { http: { from: 1, to: 2 }, tls: { from: 3, to: 4 } }, inner: 1 };

/** Returns the section of a backend after a change of its features, or the cause why it waits. */
function change(before: HttpBackend, after: HttpBackend, spareBackends = 64): string | undefined {
  const make = (http: HttpBackend) =>
    makeState({
      settings: makeSettings({ gateways, spareBackends }),
      backends: [makeBackend(id, [makeServer('pod:a', '10.0.0.1', 80)], { http })],
    });
  const state = make(before);
  const { after: now, waiting } = planChange({ state, layout: freshLayout(state) }, make(after));
  return [...waiting.keys()][0] ?? now.layout.sections.get(id);
}

describe('A backend whose limits change', () => {
  for (const [name, before, after, want] of [
    ['a longer limit leaves the times of its own section', { whole: 700 }, { whole: 7000 }, 'spare-script-random-1'],
    ['so does a shorter one', { whole: 7000 }, { whole: 700 }, 'spare-script-random-1'],
    ['so does one of each attempt', { whole: 7000 }, { whole: 7000, attempt: 700 }, 'spare-script-random-1'],
    ['a limit that changes nothing but the deadline stays', { attempt: 700 }, { whole: 900, attempt: 700 }, id],
  ] as const) {
    it(name, () => assert.equal(change({ limit: before }, { limit: after }), want));
  }

  it('stays in a spare section, whose times are the usual ones', () => {
    const make = (http: HttpBackend) =>
      makeState({ settings: makeSettings({ gateways, spareBackends: 64 }), backends: [makeBackend(id, [], { http })] });
    const empty = makeState({ settings: makeSettings({ gateways, spareBackends: 64 }) });
    const { after: placed } = planChange({ state: empty, layout: freshLayout(empty) }, make({ limit: { whole: 700 } }));
    const { after: changed } = planChange(placed, make({ limit: { whole: 7000 } }));
    assert.equal(placed.layout.sections.get(id), 'spare-script-random-1');
    assert.equal(changed.layout.sections.get(id), 'spare-script-random-1');
  });

  it('waits for a reload without a spare section', () => {
    assert.equal(change({ limit: { whole: 700 } }, { limit: { whole: 7000 } }, 0), 'spares');
  });
});

describe('A backend whose Services change', () => {
  const make = (services: string, changes: { readonly isOnly?: true } = {}, spareBackends = 64) =>
    makeState({
      settings: makeSettings({ spareBackends }),
      backends: [makeBackend(id, [makeServer(`pod:${services}`, '10.0.0.1', 80)], { services, ...changes })],
    });
  const sectionAfter = (before: ReturnType<typeof make>, after: ReturnType<typeof make>): string | undefined =>
    planChange({ state: before, layout: freshLayout(before) }, after).after.layout.sections.get(id);

  it('stays if its object has no other backend, to which its requests could belong', () => {
    assert.equal(sectionAfter(make('a', { isOnly: true }), make('b', { isOnly: true })), id);
  });
  it('moves if the object has or had another one', () => {
    assert.equal(sectionAfter(make('a'), make('b')), 'spare-http-random-1');
    assert.equal(sectionAfter(make('a', { isOnly: true }), make('b')), 'spare-http-random-1');
    assert.equal(sectionAfter(make('a'), make('b', { isOnly: true })), 'spare-http-random-1');
  });
  it('stays with the same Services', () => assert.equal(sectionAfter(make('a', { isOnly: true }), make('a')), id));
  it('is not served in its previous form without a spare section', () => {
    assert.equal(sectionAfter(make('a', {}, 0), make('b', {}, 0)), undefined);
  });
});
