import assert from 'node:assert/strict';
import { OptionsError } from '../../../../src/base/daemon/reader.ts';
import { formatPrefix } from '../../../../src/base/model/address.ts';
import { formatHelp, optionTable } from '../../../../src/egress/controller/option-table.ts';
import { parseOptions } from '../../../../src/egress/controller/options.ts';

const image = ['--image', 'registry.example/egress-router:1'];

function problemsOf(args: readonly string[], environment: Readonly<Record<string, string>> = {}): string[] {
  try {
    parseOptions(args, environment);
    return [];
  } catch (error) {
    if (error instanceof OptionsError) return error.message.split('\n');
    throw error;
  }
}

describe('options of the controller', () => {
  it('create the IngressController "default" unless they disable it', () => {
    const read = (args: readonly string[], environment = {}) =>
      parseOptions([...image, ...args], environment)?.ingressControllers;
    assert.equal(read(['--ingress-domain=a.test']), undefined);
    assert.deepEqual(read(['--ingress-controllers']), { domain: undefined, createsDefault: true });
    const variables = { INGRESS_DOMAIN: 'A.test', DISABLE_DEFAULT_INGRESS_CONTROLLER: 'true' };
    assert.deepEqual(read(['--ingress-controllers'], variables), { domain: 'a.test', createsDefault: false });
  });

  it('name networks with revocation lists', () => {
    const networks = ['--ingress-controllers', '--client-crl-networks=10.0.0.0/8,fd00::/48'];
    const { listNetworks } = parseOptions([...image, ...networks], {})?.ingressControllers ?? {};
    assert.deepEqual(listNetworks?.map(formatPrefix), ['10.0.0.0/8', 'fd00::/48']);
    assert.match(
      problemsOf([...image, '--client-crl-networks=10.0.0.1']).join(),
      /^--client-crl-networks "10\.0\.0\.1": must be networks/,
    );
  });

  it('have defaults, except for the image', () => {
    const options = parseOptions(image, {});
    assert.deepEqual(options, {
      objects: {
        image: 'registry.example/egress-router:1',
        clusterNetworks: [],
        ruleBackend: 'auto',
        log: { file: '/tmp/egress-router-log', level: 'debug' },
        nodeFailureSeconds: 30,
        allowedNames: [],
        hasDefaultRouteAnnotation: false,
        nodeSelector: {},
        liveTimeout: 10_000,
      },
      lease: { namespace: 'default', name: 'egress-router-controller', duration: 2 },
      listen: { address: '0.0.0.0', port: 8080 },
      logFormat: 'auto',
      logLevel: 'info',
    });
    assert.deepEqual(problemsOf([]), ['--image is missing: set the image that contains this program, or --pod-name']);
  });

  it('can be flags or variables, and flags take precedence', () => {
    const environment = {
      ROUTER_IMAGE: 'a',
      CLUSTER_NETWORKS: '10.128.0.7/14, fd00::/48',
      NODE_FAILURE_TIME: '1m',
      DEFAULT_ROUTE_ANNOTATION: 'true',
      ROUTER_NODE_SELECTOR: 'example.com/zone=a,egress=',
      RULE_BACKEND: 'iptables',
    };
    const objects = parseOptions(['--rule-backend', 'nftables', '--listen-port', '0'], environment)?.objects;
    assert.deepEqual(
      objects?.clusterNetworks.map(({ address, length }) => `${address.text}/${length}`),
      ['10.128.0.0/14', 'fd00::/48'],
    );
    assert.deepEqual(objects?.nodeSelector, { 'example.com/zone': 'a', egress: '' });
    assert.deepEqual(
      [objects?.nodeFailureSeconds, objects?.hasDefaultRouteAnnotation, objects?.ruleBackend],
      [60, true, 'nftables'],
    );
  });

  const wrong: readonly (readonly [flag: string, value: string])[] = [
    ['cluster-networks', '10.0.0.0'],
    ['cluster-networks', '0.0.0.0/0'],
    ['rule-backend', 'ebpf'],
    ['router-log-level', 'loud'],
    ['node-failure-time', '1500ms'],
    ['node-selector', 'a'],
    ['lease-namespace', 'A;b'],
    ['lease-name', 'A'],
    ['listen-address', 'here'],
    ['listen-port', '70000'],
    ['log-level', 'loud'],
    ['image', '-rm'],
    ['pod-name', 'A b'],
  ];
  for (const [flag, value] of wrong) {
    it(`reject --${flag} ${value}`, () => {
      const given = flag === 'image' ? [`--image=${value}`] : [...image, `--${flag}`, value];
      const [first = '', ...more] = problemsOf(given);
      assert.deepEqual(more, []);
      assert.ok(first.startsWith(`--${flag} "${value}": must be`), first);
    });
  }

  it('reject unknown flags', () => assert.match(problemsOf([...image, '--fast'])[0] ?? '', /--fast/));

  it('are all in the help, with defaults and variables', () => {
    const help = formatHelp();
    for (const [name, { variable, initial }] of Object.entries(optionTable)) {
      const line = help.split('\n').find((one) => one.startsWith(`  --${name} `) || one === `  --${name}`) ?? '';
      for (const word of [variable, initial]) assert.ok(word === undefined || line.includes(word), `${name}: ${line}`);
    }
    assert.equal(parseOptions(['--help'], {}), undefined);
  });
});
