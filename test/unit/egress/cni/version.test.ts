import assert from 'node:assert/strict';
import { type CniVersion, supportedVersions } from '../../../../src/egress/api/cni-version.ts';
import type { Verb } from '../../../../src/egress/cni/environment.ts';
import { formatVersionAnswer, negotiateVersion, requireVerb } from '../../../../src/egress/cni/version.ts';

const list = '0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0';

describe('negotiateVersion', () => {
  for (const version of supportedVersions) {
    it(`agrees on ${version}`, () => assert.equal(negotiateVersion({ cniVersion: version }), version));
  }

  const cases: readonly (readonly [configuration: Record<string, unknown>, seen: string])[] = [
    [{}, 'no cniVersion'],
    [{ cniVersion: '' }, 'no cniVersion'],
    [{ cniVersion: '0.2.0' }, 'cniVersion "0.2.0"'],
    [{ cniVersion: '1.2.0' }, 'cniVersion "1.2.0"'],
    [{ cniVersion: 1 }, 'cniVersion 1'],
    [{ cniVersion: ['1.1.0'] }, 'cniVersion ["1.1.0"]'],
  ];
  for (const [configuration, seen] of cases) {
    it(`rejects ${JSON.stringify(configuration)}`, () => {
      assert.throws(() => negotiateVersion(configuration), {
        name: 'CniError',
        code: 1,
        msg: `Incompatible CNI version: the configuration has ${seen}; set one of ${list}`,
        details: `supported versions: ${list}`,
      });
    });
  }
});

describe('requireVerb', () => {
  const cases: readonly (readonly [verb: Verb, version: CniVersion, since: string | undefined])[] = [
    ['ADD', '0.3.0', undefined],
    ['DEL', '0.3.0', undefined],
    ['CHECK', '0.3.1', '0.4.0'],
    ['CHECK', '0.4.0', undefined],
    ['GC', '1.0.0', '1.1.0'],
    ['GC', '1.1.0', undefined],
    ['STATUS', '0.4.0', '1.1.0'],
    ['STATUS', '1.1.0', undefined],
  ];
  for (const [verb, version, since] of cases) {
    it(`${since === undefined ? 'allows' : 'refuses'} ${verb} in ${version}`, () => {
      if (since === undefined) requireVerb(verb, version);
      else {
        assert.throws(() => requireVerb(verb, version), {
          code: 1,
          msg: `Cannot run ${verb}: CNI version ${version} does not have it; set cniVersion to ${since} or later`,
        });
      }
    });
  }
});

describe('formatVersionAnswer', () => {
  const cases: readonly (readonly [configuration: unknown, cniVersion: string])[] = [
    [{ cniVersion: '0.4.0' }, '0.4.0'],
    [{ cniVersion: '2.0.0' }, '2.0.0'],
    [{}, '1.1.0'],
    [{ cniVersion: 'x"y' }, '1.1.0'],
    [null, '1.1.0'],
  ];
  for (const [configuration, cniVersion] of cases) {
    it(`answers ${JSON.stringify(configuration)}`, () => {
      assert.deepEqual(JSON.parse(formatVersionAnswer(configuration)), {
        cniVersion,
        supportedVersions: ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'],
      });
    });
  }
});
