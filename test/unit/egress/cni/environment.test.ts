import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Call, type Environment, parseEnvironment } from '../../../../src/egress/cni/environment.ts';
import { CniError, errorCodes } from '../../../../src/egress/cni/error.ts';

const good: Environment = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'bac9fae69ddb6',
  CNI_NETNS: '/var/run/netns/pod',
  CNI_IFNAME: 'net1',
};
const id = { containerId: 'bac9fae69ddb6', ifname: 'net1' };

function errorOf(environment: Environment): CniError {
  try {
    parseEnvironment(environment);
  } catch (error) {
    assert.ok(error instanceof CniError);
    return error;
  }
  assert.fail('no error');
}

describe('parseEnvironment', () => {
  const netns = '/var/run/netns/pod';
  const cases: readonly (readonly [name: string, environment: Environment, want: Call | undefined])[] = [
    ['nothing', {}, undefined],
    ['an empty command', { CNI_COMMAND: '' }, undefined],
    ['ADD', good, { verb: 'ADD', id, netns, args: {} }],
    ['CHECK', { ...good, CNI_COMMAND: 'CHECK' }, { verb: 'CHECK', id, netns, args: {} }],
    ['DEL', { ...good, CNI_COMMAND: 'DEL' }, { verb: 'DEL', id, netns }],
    ['DEL without the namespace', { ...good, CNI_COMMAND: 'DEL', CNI_NETNS: '' }, { verb: 'DEL', id }],
    [
      'DEL with arguments that ADD would refuse',
      { ...good, CNI_COMMAND: 'DEL', CNI_ARGS: 'X' },
      { verb: 'DEL', id, netns },
    ],
    ['GC, which needs nothing', { CNI_COMMAND: 'GC' }, { verb: 'GC' }],
    ['STATUS, which needs nothing', { CNI_COMMAND: 'STATUS' }, { verb: 'STATUS' }],
    ['VERSION, which needs nothing', { CNI_COMMAND: 'VERSION' }, { verb: 'VERSION' }],
    [
      'what Multus passes',
      {
        ...good,
        CNI_ARGS:
          'IgnoreUnknown=true;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=router;K8S_POD_UID=7;MAC=02-AB-00-00-00-01;X=y=z',
      },
      { verb: 'ADD', id, netns, args: { mac: '02:ab:00:00:00:01', podNamespace: 'ns', podName: 'router' } },
    ],
    [
      'arguments that are known',
      { ...good, CNI_ARGS: 'IP=10.0.0.1;K8S_POD_INFRA_CONTAINER_ID=x;;' },
      { verb: 'ADD', id, netns, args: {} },
    ],
    ['the shortest name', { ...good, CNI_IFNAME: 'a' }, { verb: 'ADD', id: { ...id, ifname: 'a' }, netns, args: {} }],
    [
      'the longest name',
      { ...good, CNI_IFNAME: 'a.b_c-d12345678' },
      { verb: 'ADD', id: { ...id, ifname: 'a.b_c-d12345678' }, netns, args: {} },
    ],
  ];
  for (const [name, environment, want] of cases) {
    it(`parses ${name}`, () => assert.deepEqual(parseEnvironment(environment), want));
  }

  const ifname =
    'must be the name of an interface: at most 15 letters, digits, "_", "." and "-", not beginning with "-", and not "." or ".."';
  const container = 'must be a container ID: letters, digits, "_", "." and "-", beginning with a letter or digit';
  const path = 'must be the absolute path of a network namespace';
  const mac = 'must be a unicast MAC address such as "02:00:00:12:34:56"';
  const bad: readonly (readonly [name: string, changes: Environment, want: string])[] = [
    [
      'an unknown command',
      { CNI_COMMAND: 'add' },
      'CNI_COMMAND "add": must be one of ADD, DEL, CHECK, GC, STATUS, VERSION',
    ],
    ['no container', { CNI_CONTAINERID: undefined }, `CNI_CONTAINERID missing: ${container}`],
    ['a container with a slash', { CNI_CONTAINERID: 'a/../b' }, `CNI_CONTAINERID "a/../b": ${container}`],
    ['a container with a dot first', { CNI_CONTAINERID: '.a' }, `CNI_CONTAINERID ".a": ${container}`],
    ['no namespace for ADD', { CNI_NETNS: '' }, `CNI_NETNS missing: ${path}`],
    ['no namespace for CHECK', { CNI_COMMAND: 'CHECK', CNI_NETNS: '' }, `CNI_NETNS missing: ${path}`],
    ['a relative namespace', { CNI_NETNS: 'netns/x' }, `CNI_NETNS "netns/x": ${path}`],
    ['a relative namespace for DEL', { CNI_COMMAND: 'DEL', CNI_NETNS: 'x' }, `CNI_NETNS "x": ${path}`],
    ['no interface', { CNI_IFNAME: undefined }, `CNI_IFNAME missing: ${ifname}`],
    ['a long name', { CNI_IFNAME: 'a'.repeat(16) }, `CNI_IFNAME "aaaaaaaaaaaaaaaa": ${ifname}`],
    ['a name that is a pattern', { CNI_IFNAME: 'net+' }, `CNI_IFNAME "net+": ${ifname}`],
    ['a name that ends a quote', { CNI_IFNAME: 'net"1' }, `CNI_IFNAME "net\\"1": ${ifname}`],
    ['a name that is an option', { CNI_IFNAME: '-j' }, `CNI_IFNAME "-j": ${ifname}`],
    ['a name that is a folder', { CNI_IFNAME: '..' }, `CNI_IFNAME "..": ${ifname}`],
    ['a name that ends a line', { CNI_IFNAME: 'net1\n' }, `CNI_IFNAME "net1\\n": ${ifname}`],
    [
      'an unknown argument',
      { CNI_ARGS: 'FOO=1;MAC=;BAR=2' },
      'CNI_ARGS "FOO;BAR": is unknown; remove it or add IgnoreUnknown=1',
    ],
    [
      'an unknown argument that is not to be ignored',
      { CNI_ARGS: 'FOO=1;IgnoreUnknown=0' },
      'CNI_ARGS "FOO": is unknown; remove it or add IgnoreUnknown=1',
    ],
    [
      'arguments that are no pairs',
      { CNI_ARGS: 'IgnoreUnknown=1;x' },
      'CNI_ARGS "x": must be KEY=VALUE pairs joined by ";"',
    ],
    ['a bad MAC', { CNI_ARGS: 'MAC=ff:ff:ff:ff:ff:ff' }, `CNI_ARGS MAC="ff:ff:ff:ff:ff:ff": ${mac}`],
  ];
  for (const [name, changes, want] of bad) {
    it(`rejects ${name}`, () => {
      const error = errorOf({ ...good, ...changes });
      assert.equal(error.code, errorCodes.invalidEnvironment);
      assert.equal(error.msg, `Invalid environment: ${want}`);
    });
  }

  it('names every invalid variable', () => {
    const error = errorOf({ CNI_COMMAND: 'ADD', CNI_ARGS: 'x' });
    assert.equal(
      error.msg,
      `Invalid environment: CNI_CONTAINERID missing: ${container}, and other problems (see details)`,
    );
    assert.deepEqual(error.details.split('\n'), [
      `CNI_CONTAINERID missing: ${container}`,
      `CNI_IFNAME missing: ${ifname}`,
      `CNI_NETNS missing: ${path}`,
      'CNI_ARGS "x": must be KEY=VALUE pairs joined by ";"',
    ]);
  });

  it('returns a call or a CniError for any variables', () => {
    const value = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(
        fc.constantFrom('ADD', 'DEL', 'CHECK', 'X'),
        fc.dictionary(fc.constantFrom('CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_ARGS'), value),
        (verb, changes) => {
          try {
            const call = parseEnvironment({ ...good, ...changes, CNI_COMMAND: verb });
            if (call !== undefined && 'id' in call) assert.match(call.id.ifname, /^[A-Za-z0-9._][A-Za-z0-9._-]{0,14}$/);
          } catch (error) {
            assert.ok(error instanceof CniError, String(error));
          }
        },
      ),
    );
  });
});
