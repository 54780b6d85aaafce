import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { planChange } from '../../../../src/ingress/haproxy/difference.ts';
import { freshLayout } from '../../../../src/ingress/haproxy/layout.ts';
import type { Backend, HttpBackend } from '../../../../src/ingress/haproxy/model.ts';
import { makeBackend, makeServer, makeSettings, makeSite, makeState } from '../../../netns/ingress/haproxy/fixtures.ts';

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
  const make = (services: string, paths: readonly string[], changes: Partial<Backend> = {}, spareBackends = 64) =>
    makeState({
      settings: makeSettings({ spareBackends }),
      sites: [makeSite('a.test', ...paths.map((path) => ({ path, backend: id })))],
      backends: [makeBackend(id, [makeServer(`pod:${services}`, '10.0.0.1', 80)], { services, ...changes })],
    });
  const after = (before: ReturnType<typeof make>, wanted: ReturnType<typeof make>) =>
    planChange({ state: before, layout: freshLayout(before) }, wanted).after;
  const sectionAfter = (...states: Parameters<typeof after>) => after(...states).layout.sections.get(id);

  it('stays if the same rules lead to it', () => {
    assert.equal(sectionAfter(make('a', ['/a', '/b']), make('b', ['/b', '/a'])), id);
  });
  it('moves if other rules do, to which waiting requests may belong', () => {
    assert.equal(sectionAfter(make('a', ['/a', '/b']), make('b', ['/a'])), 'spare-http-random-1');
    assert.equal(sectionAfter(make('a', ['/a']), make('b', ['/b'])), 'spare-http-random-1');
  });
  it('stays if its object has no other backend', () => {
    assert.equal(sectionAfter(make('a', ['/a'], { isOnly: true }), make('b', ['/b'], { isOnly: true })), id);
  });
  it('stays with the same Services', () => assert.equal(sectionAfter(make('a', ['/a']), make('a', ['/b'])), id));
  it('is served in its previous form until a reload, but not to other rules', () => {
    const retries = { http: { retry: { attempts: 1, codes: [503] } } };
    const waiting = after(make('a', ['/a']), make('b', ['/a'], retries));
    assert.equal(waiting.state.backends.get(id)?.services, 'a');
    assert.equal(after(make('a', ['/a']), make('b', ['/b'], retries)).state.backends.has(id), false);
  });
  it('stays without a spare section, so that no rule answers 503', () => {
    const changed = after(make('a', ['/a'], {}, 0), make('b', ['/b'], {}, 0));
    assert.deepEqual([changed.state.backends.get(id)?.services, changed.layout.sections.get(id)], ['b', id]);
  });
});
