import assert from 'node:assert/strict';
import { matchesLabels, parseLabelSelector } from '../../../../src/ingress/claims/label-selector.ts';
import { formatPortRanges, parsePortRanges } from '../../../../src/ingress/claims/port-ranges.ts';

describe('parseLabelSelector', () => {
  const cases: readonly (readonly [text: string, want: boolean | undefined])[] = [
    ['', true],
    ['app=web', true],
    ['app==web', true],
    ['app = web', true],
    ['app=db', false],
    ['app!=db', true],
    ['app!=web', false],
    ['zone!=a', true],
    ['app in (db, web)', true],
    ['app notin (db,web)', false],
    ['zone notin (a)', true],
    ['app,example.com/tier', true],
    ['zone', false],
    ['!zone', true],
    ['!app', false],
    ['app=web,zone', false],
    ['app in (web),example.com/tier=', true],
    ['constructor', false],
    ['app=web,', undefined],
    ['app in web', undefined],
    ['app=w b', undefined],
    ['=web', undefined],
    ['app;web', undefined],
  ];
  for (const [text, want] of cases) {
    it(`parses ${JSON.stringify(text)}`, () => {
      const selector = parseLabelSelector(text);
      const labels = Object.assign(Object.create(null), { app: 'web', 'example.com/tier': '' });
      assert.equal(selector && matchesLabels(selector, labels), want);
    });
  }
});

describe('parsePortRanges', () => {
  const cases: readonly (readonly [text: string, want: string | undefined])[] = [
    ['', 'none'],
    ['80', '80'],
    ['1024-29999, 31000', '1024-29999, 31000'],
    ['1-65535', '1-65535'],
    ['0-5', undefined],
    ['5-4', undefined],
    ['1-65536', undefined],
    ['1-2-3', undefined],
    ['80,', undefined],
    ['all', undefined],
  ];
  for (const [text, want] of cases) {
    it(`parses ${JSON.stringify(text)}`, () => {
      const ranges = parsePortRanges(text);
      assert.equal(ranges && formatPortRanges(ranges), want);
    });
  }
});
