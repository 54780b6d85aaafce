import assert from 'node:assert/strict';
import { execa } from 'execa';
import { describe, it } from 'mocha';
import manifest from '../../../../package.json' with { type: 'json' };
import { executable } from '../../../lab/executable.ts';

const names = [
  'egress-router',
  'egress-router-pod',
  'egress-router-controller',
  'egress-router-node',
  'ingress-agent',
  'install-cni',
  'erctl',
] as const;

describe('the compiled programs', () => {
  for (const name of names) {
    it(`${name} prints its version`, async () => {
      const { stdout, exitCode } = await execa(executable(name), ['--version']);
      assert.equal(exitCode, 0);
      assert.match(stdout, new RegExp(`^(${name} )?${manifest.version.replaceAll('.', '\\.')}$`));
    });
  }

  for (const [format, pattern] of [
    ['text', /^\S+Z ERROR The ingress agent cannot start error="Cannot listen on [^\n]*\n$/],
    ['json', /^\{"level":50[^\n]*"msg":"The ingress agent cannot start"\}\n$/],
  ] as const) {
    it(`prints a fatal error once, as ${format}`, async () => {
      // TEST-NET-1: no interface has this address.
      const options = ['--manifests', '/tmp', '--stats-address', '192.0.2.1', '--dry-run', '--log-format', format];
      const { all, exitCode } = await execa(executable('ingress-agent'), options, {
        reject: false,
        all: true,
        stripFinalNewline: false,
      });
      assert.equal(exitCode, 1);
      assert.match(all, pattern);
    });
  }
});
