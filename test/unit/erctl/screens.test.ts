import assert from 'node:assert/strict';
import stringWidth from 'string-width';
import type { Screen } from '../../../src/erctl/console.ts';
import { renderJson } from '../../../src/erctl/json.ts';
import { renderInspection } from '../../../src/erctl/screens/inspect.ts';
import { renderList } from '../../../src/erctl/screens/list.ts';
import { renderRoutes } from '../../../src/erctl/screens/routes.ts';
import { renderTrace } from '../../../src/erctl/screens/trace.ts';
import { renderValidation } from '../../../src/erctl/screens/validate.ts';
import { renderWatch } from '../../../src/erctl/screens/watch.ts';
import { assertGolden } from '../../golden.ts';
import { brokenInspection, claims, healthyInspection, listing, trace, validation, watched } from './samples.ts';

/** Every screen, by the name of its golden files. */
const screens: Readonly<Record<string, (screen: Screen) => string>> = {
  'inspect-healthy': (screen) => renderInspection(healthyInspection, screen, false),
  'inspect-broken': (screen) => renderInspection(brokenInspection, screen, false),
  list: (screen) => renderList(listing, screen),
  routes: (screen) => renderRoutes(claims, screen),
  trace: (screen) => renderTrace(trace, screen),
  validate: (screen) => renderValidation(validation, screen),
  watch: (screen) => renderWatch(watched, screen, 2),
};

/** Everything that begins a control sequence, or turns or hides text; lines may end. */
const control = /[^\P{C}\n]/u;

/** A copy in which every text carries what a hostile name could. */
function poison<T>(value: T): T {
  if (typeof value === 'string') return `${value}\u001b[31m\u202e\u0007\n\u009b2J` as T;
  if (Array.isArray(value)) return value.map(poison) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, poison(part)])) as T;
}

describe('screens of erctl', () => {
  for (const [name, render] of Object.entries(screens)) {
    it(`shows ${name} in a pipe: one line per line, without colours`, () => {
      const text = render({ colour: false });
      assert.doesNotMatch(text, control);
      assertGolden(`erctl/${name}.txt`, text);
    });

    for (const width of [60, 200]) {
      it(`shows ${name} on a terminal of ${width} columns`, () => {
        const text = render({ colour: true, width });
        for (const line of text.split('\n')) assert.ok(stringWidth(line) <= width, `${stringWidth(line)}: ${line}`);
        assertGolden(`erctl/${name}.${width}.txt`, text.replaceAll('\u001b', '␛'));
      });
    }
  }

  it('prints no control character of a name, a rule or a message on a terminal', () => {
    const screen = { colour: false, width: 80 };
    const texts = [
      renderInspection(poison(brokenInspection), screen, true),
      renderInspection(poison(healthyInspection), screen, true),
      renderList(poison(listing), screen),
      renderRoutes(poison(claims), screen),
      renderTrace(poison(trace), screen),
      renderValidation(poison(validation), screen),
      renderWatch(poison(watched), screen, 20),
    ];
    for (const text of texts) assert.doesNotMatch(text, control);
  });

  it('writes JSON that is safe for a terminal and parses to the same value', () => {
    const document = poison({ ...listing, tag: '\u{e0041}', slash: '\\u{41}' });
    const text = renderJson(document);
    assert.doesNotMatch(text, control);
    assert.deepEqual(JSON.parse(text), document);
  });

  it('shows a limited number of rows and the number of further ones', () => {
    const [router] = healthyInspection.routers;
    assert.ok(router);
    const [redirect] = router.redirects;
    assert.ok(redirect);
    const redirects = Array.from({ length: 25 }, (_, index) => ({ ...redirect, port: index + 1 }));
    const many = { ...healthyInspection, routers: [{ ...router, redirects, fallbacks: [] }] };
    assert.match(renderInspection(many, { colour: false }, false), /… and 5 more; --all shows them/);
    assert.doesNotMatch(renderInspection(many, { colour: false }, true), /more/);
  });
});
