import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { KernelError } from '../../../../src/base/linux/kernel-error.ts';
import type { PluginParts } from '../../../../src/egress/cni/context.ts';
import { type Outcome, runPlugin } from '../../../../src/egress/cni/main.ts';

/** A machine on which no namespace can be entered. */
const parts: PluginParts = {
  store: {
    list: () => [],
    find: () => undefined,
    remains: () => ({}),
    problems: [],
    save: () => {},
    remove: () => {},
    bootId: () => 'boot',
  },
  openKernel: () => {
    throw new KernelError('namespace-gone', 'Cannot open the network namespace: fault of the test');
  },
  identifyNamespace: () => ({ path: '/var/run/netns/x', inode: 1 }),
  checkBackend: () => {},
  askNames: () => 'absent',
  readNodeLinks: () => ({
    links: [{ index: 2, name: 'eth1', up: true, mtu: 1500, mac: '02:00:00:00:00:02' }],
    addresses: [],
  }),
  openLog: (path) => ({ path, problem: undefined, append: () => {}, close: () => {} }),
};

const verbs = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'] as const;
const container = { CNI_CONTAINERID: 'c1', CNI_NETNS: '/var/run/netns/x', CNI_IFNAME: 'net1' };
const valid = {
  cniVersion: '1.1.0',
  name: 'net',
  type: 'egress-router',
  interfaceArgs: { master: 'eth1' },
  ip: { addresses: ['192.168.12.99/24'], gateway: '192.168.12.1', destinations: ['80 TCP 203.0.113.1'] },
  log_file: '/dev/null',
};

function call(environment: Record<string, string>, input: string): Outcome {
  return runPlugin({ environment, readInput: () => input, programVersion: '1.2.3' }, parts);
}

/** What must hold of every call: nothing on stdout but a result or an error object, and a true exit status. */
function judge({ exitCode, stdout }: Outcome): void {
  if (exitCode === 0) {
    if (stdout !== '') assert.ok(JSON.parse(stdout));
    return;
  }
  const error = JSON.parse(stdout) as { cniVersion: unknown; code: unknown; msg: unknown };
  assert.equal(typeof error.cniVersion, 'string');
  assert.ok(Number.isInteger(error.code) && Number(error.code) > 0);
  assert.ok(typeof error.msg === 'string' && error.msg !== '');
  assert.equal(stdout.trimEnd().split('\n').length, 1);
}

describe('runPlugin', () => {
  it('ends every verb with a result or an error object for any JSON', () => {
    fc.assert(
      fc.property(fc.constantFrom(...verbs), fc.json(), (verb, input) => {
        judge(call({ CNI_COMMAND: verb, ...container }, input));
      }),
      { numRuns: 500 },
    );
  });

  it('ends every verb likewise for anything that is almost a configuration', () => {
    const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom('192.168.12.99/24', '1.1.0', 'eth1', null));
    const path = fc.constantFrom(...Object.keys(valid), 'egressRouter', 'prevResult', 'cni.dev/valid-attachments');
    fc.assert(
      fc.property(fc.constantFrom(...verbs), path, value, (verb, key, odd) => {
        const config = { ...valid, [key]: odd, ...(key === 'log_file' ? {} : { log_file: '/dev/null' }) };
        judge(call({ CNI_COMMAND: verb, ...container }, JSON.stringify(config)));
      }),
      { numRuns: 1000 },
    );
  });

  it('ends likewise for any environment', () => {
    const names = ['CNI_COMMAND', 'CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_ARGS', 'CNI_PATH'];
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), fc.string()), (environment) => {
        judge(call(environment, JSON.stringify(valid)));
      }),
      { numRuns: 500 },
    );
  });

  it('prints what it is on stderr when a person starts it', () => {
    const outcome = call({}, '');
    assert.equal(outcome.exitCode, 0);
    assert.equal(outcome.stdout, '');
    assert.match(
      outcome.stderr,
      /^egress-router 1\.2\.3: .*\nCNI versions supported: 0\.3\.0, 0\.3\.1, 0\.4\.0, 1\.0\.0, 1\.1\.0\n/,
    );
  });

  for (const { verb, code } of [
    { verb: 'ADD', code: 4 },
    { verb: 'CHECK', code: 7 },
    { verb: 'GC', code: 7 },
  ]) {
    it(`reports why ${verb} failed, in the requested version`, () => {
      const outcome = call({ CNI_COMMAND: verb, ...container }, JSON.stringify(valid));
      assert.equal(outcome.exitCode, 1);
      const error = JSON.parse(outcome.stdout) as { cniVersion: string; code: number };
      assert.deepEqual([error.cniVersion, error.code], ['1.1.0', code]);
    });
  }

  it('succeeds with DEL even if the configuration is no longer valid', () => {
    const outcome = call({ CNI_COMMAND: 'DEL', ...container }, JSON.stringify({ ...valid, ip: 7 }));
    assert.equal(outcome.exitCode, 0);
  });

  it('rejects CHECK, GC and STATUS for versions without them', () => {
    for (const [verb, cniVersion] of [
      ['CHECK', '0.3.1'],
      ['GC', '1.0.0'],
      ['STATUS', '1.0.0'],
    ] as const) {
      const outcome = call({ CNI_COMMAND: verb, ...container }, JSON.stringify({ ...valid, cniVersion }));
      assert.equal((JSON.parse(outcome.stdout) as { code: number }).code, 1, verb);
    }
  });
});
