import assert from 'node:assert/strict';
import { evaluate } from '@marcbachmann/cel-js';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { parseNetConf } from '../../../src/egress/api/net-conf.ts';
import { countRefusals, documents, type Expression, policyOf } from './policy.ts';
import { findMistakes } from './strict.ts';

describe('admission policies', () => {
  it('match Kubernetes’ schemas, and each is bound', async () => {
    for (const document of documents) assert.deepEqual(await findMistakes(document), [], document.metadata.name);
    const named = (wanted: string): string[] =>
      documents.flatMap(({ kind, metadata, spec }) =>
        kind === wanted ? [wanted.endsWith('Binding') ? spec.policyName : metadata.name] : [],
      );
    assert.deepEqual(named('ValidatingAdmissionPolicyBinding').sort(), named('ValidatingAdmissionPolicy').sort());
  });

  const pod = {
    metadata: { labels: { app: 'x' }, annotations: { other: '1', 'egress-router.io/applied': 'a' } },
    spec: { nodeName: 'n1', containers: [{ image: 'i' }] },
    status: { phase: 'Running', podIP: '10.128.10.18', conditions: [{ type: 'Ready', status: 'False' }] },
  };
  const withStatus = (status: object): object => ({ ...pod, status: { ...pod.status, ...status } });
  const routerReady = { type: 'egress-router.io/router-ready', status: 'True' };
  const daemon = {
    userInfo: {
      username: 'system:serviceaccount:egress-router-system:egress-router-node',
      extra: { 'authentication.kubernetes.io/node-name': ['n1'] },
    },
  };
  const withAnnotations = (annotations: object): object => ({ ...pod, metadata: { ...pod.metadata, annotations } });
  const edits: readonly (readonly [name: string, object: object, refusals: number])[] = [
    ['nothing', pod, 0],
    [
      'what is in force',
      withAnnotations({ other: '1', 'egress-router.io/applied': 'b', 'egress-router.io/refused': '{}' }),
      0,
    ],
    ['that a router is closed', withAnnotations({ ...pod.metadata.annotations, 'egress-router.io/closed': 'net1' }), 0],
    ['names', withAnnotations({ ...pod.metadata.annotations, 'egress-router.io/names': '{}' }), 0],
    [
      'names without end',
      withAnnotations({ ...pod.metadata.annotations, 'egress-router.io/names': 'x'.repeat(32_769) }),
      1,
    ],
    ['that a router is ready', withStatus({ conditions: [...pod.status.conditions, routerReady] }), 0],
    ['that a pod is ready', withStatus({ conditions: [{ type: 'Ready', status: 'True' }, routerReady] }), 1],
    ['a condition away', withStatus({ conditions: [routerReady] }), 1],
    ['the address of a pod', withStatus({ podIP: '10.128.10.19' }), 1],
    ['addresses of a pod', withStatus({ podIPs: [{ ip: '10.128.10.19' }] }), 1],
    ['the phase of a pod', withStatus({ phase: 'Failed' }), 1],
    ['another annotation', withAnnotations({ other: '2' }), 1],
    ['one that is new', withAnnotations({ other: '1', 'k8s.v1.cni.cncf.io/networks': 'x' }), 1],
    ['one away', withAnnotations({ 'egress-router.io/applied': 'a' }), 1],
    ['a label', { ...pod, metadata: { ...pod.metadata, labels: {} } }, 1],
    ['a finalizer', { ...pod, metadata: { ...pod.metadata, finalizers: ['x'] } }, 1],
    ['the image', { ...pod, spec: { ...pod.spec, containers: [{ image: 'evil' }] } }, 1],
  ];
  for (const [name, object, refusals] of edits) {
    it(`let the node daemon write ${name}: ${refusals === 0 ? 'yes' : 'no'}`, () => {
      assert.equal(countRefusals('egress-router-node', { object, oldObject: pod, request: daemon }), refusals);
    });
  }

  it('let the node daemon write only pods of its own node, and do not concern others', () => {
    const elsewhere = { ...pod, spec: { ...pod.spec, nodeName: 'n2' } };
    const words = { object: elsewhere, oldObject: elsewhere };
    assert.equal(countRefusals('egress-router-node', { ...words, request: daemon }), 1);
    assert.equal(
      countRefusals('egress-router-node', { ...words, request: { userInfo: { username: 'jane' } } }),
      undefined,
    );
  });

  it('restrict a namespace to the addresses in its annotation', () => {
    const object = { spec: { addresses: [{ ip: '192.168.12.99/24' }] } };
    const count = (annotations: object): number | undefined =>
      countRefusals('egress-router-reserved-addresses', { object, namespaceObject: { metadata: { annotations } } });
    assert.equal(count({}), 0);
    assert.equal(count({ 'egress-router.io/addresses': '192.168.12.98,192.168.12.99' }), 0);
    assert.equal(count({ 'egress-router.io/addresses': '192.168.12.9' }), 1);
  });

  describe('restrict a definition to the addresses in its namespace’s annotation', () => {
    const annotated = { 'egress-router.io/addresses': '192.168.12.99, 192.168.12.100,2001:db8:12::99' };
    const count = (config: string, annotations: object = annotated, username = 'jane'): number | undefined =>
      countRefusals('egress-router-definition-addresses', {
        object: { spec: { config } },
        request: { userInfo: { username } },
        namespaceObject: { metadata: { annotations } },
      });
    const own = { cniVersion: '1.1.0', name: 'x', type: 'egress-router' };
    const ip = { gateway: '192.168.12.1', destinations: ['80 UDP 10.0.0.99/30', '203.0.113.26/30'] };
    const withAddresses = (...addresses: unknown[]): object => ({ ...own, ip: { addresses, ...ip } });
    const cluster = { clusterNetworks: ['10.128.0.0/14', '172.30.0.0/16'] };
    const router = (...addresses: unknown[]): object => ({
      addresses,
      mode: 'Redirect',
      redirect: { redirectRules: [{ destinationIP: '10.0.0.99', port: 80, protocol: 'UDP' }], fallbackIP: '10.0.0.98' },
      networkInterface: { macvlan: { mode: 'Bridge', master: 'eth1' } },
    });
    const one = { ip: '192.168.12.99/24', gateway: '192.168.12.1' };
    const header = { apiVersion: 'network.operator.openshift.io/v1', kind: 'EgressRouter' };
    const right: readonly (readonly [string, object | string])[] = [
      ['one address', withAddresses('192.168.12.99/24')],
      ['networks that are not reserved', { ...withAddresses('192.168.12.99/24'), ...cluster }],
      ['one of each family', withAddresses('192.168.12.100/24', '2001:db8:12::99/64')],
      ['an indented configuration', JSON.stringify(withAddresses('192.168.12.99/24'), undefined, 2)],
      ['a list of plugins', { cniVersion: '1.1.0', plugins: [withAddresses('192.168.12.99/24'), { type: 'tuning' }] }],
      ['the spec of an EgressRouter', { ...own, egressRouter: router(one) }],
      ['an EgressRouter', { ...own, egressRouter: { ...header, spec: router(one, { ip: '2001:db8:12::99/64' }) } }],
      ['its gateway first', { ...own, egressRouter: router({ gateway: '192.168.12.1', ip: '192.168.12.99/24' }) }],
      ['a text that is no key', { ...withAddresses('192.168.12.99/24'), name: 'addresses' }],
    ];
    const wrong: readonly (readonly [string, object | string])[] = [
      ['another address', withAddresses('192.168.12.98/24')],
      ['one that begins like one of them', withAddresses('192.168.12.9/24')],
      ['another one behind one of them', withAddresses('192.168.12.99/24', '2001:db8:12::98/64')],
      ['another one in a list of plugins', { plugins: [{ type: 'tuning' }, withAddresses('192.168.12.98/24')] }],
      [
        'another one in a second plugin',
        { plugins: [withAddresses('192.168.12.99/24'), withAddresses('192.168.12.98/24')] },
      ],
      [
        'another one in the spec of an EgressRouter',
        { ...own, egressRouter: router({ ...one, ip: '192.168.12.98/24' }) },
      ],
      [
        'another one in an EgressRouter',
        { ...own, egressRouter: { ...header, spec: router({ ip: '192.168.12.98/24' }) } },
      ],
      ['another one of a pool', { ...own, egressRouter: router(one, { ip: '192.168.12.98/24' }) }],
      [
        'a key that is there twice',
        '{"type":"egress-router","ip":{"addresses":["192.168.12.99/24"],"addresses":["192.168.12.98/24"]}}',
      ],
      [
        '"ip" that is there twice',
        '{"type":"egress-router","egressRouter":{"addresses":[{"ip":"192.168.12.99/24","ip":"192.168.12.98/24"}]}}',
      ],
      ['blanks between key and value', '{"type":"egress-router","ip":{"addresses" \t\n:\r [ "192.168.12.98/24" ]}}'],
      ['blanks in a text', withAddresses(' 192.168.12.98/24')],
      ['blanks behind one of them', withAddresses('192.168.12.99/24 ')],
      ['a number', withAddresses(3_232_238_691)],
      ['a number in an EgressRouter', { ...own, egressRouter: router({ ip: 3_232_238_691 }) }],
      ['a text in place of a list', { ...own, ip: { ...ip, addresses: '192.168.12.98/24' } }],
      ['an object in place of a list', { ...own, ip: { ...ip, addresses: { 0: '192.168.12.98/24' } } }],
      ['a list in a list', withAddresses(['192.168.12.98/24'])],
      ['an address without a length', withAddresses('192.168.12.98')],
      ['two addresses in a text', withAddresses('192.168.12.99/24,192.168.12.98/24')],
      ['two slashes', withAddresses('192.168.12.99/24/192.168.12.98')],
      ['an IPv4-mapped address', withAddresses('::ffff:192.168.12.98/120')],
      ['an IPv4-mapped address of one of them', withAddresses('::ffff:192.168.12.99/120')],
      ['brackets', withAddresses('[2001:db8:12::98]/64')],
      ['another spelling', withAddresses('2001:db8:0012::99/64')],
      ['a short form', withAddresses('192.168.3171/24')],
      ['leading zeros', withAddresses('192.168.012.098/24')],
      ['a key by an escape', '{"type":"egress-router","ip":{"addr\\u0065sses":["192.168.12.98/24"]}}'],
      ['a type by an escape', '{"type":"egress\\u002drouter","ip":{"addresses":["192.168.12.98/24"]}}'],
      ['an address by an escape', '{"type":"egress-router","ip":{"addresses":["192.168.12.9\\u0038/24"]}}'],
      ['a bracket in a gateway', { ...own, egressRouter: router({ gateway: ']', ip: '192.168.12.98/24' }) }],
      ['a key of an object that is not read', { ...own, egressRouter: router({ x: ']', ip: '192.168.12.98/24' }) }],
      ['nothing', withAddresses()],
      ['null', { ...own, ip: { ...ip, addresses: null } }],
    ];
    const write = (config: object | string): string => (typeof config === 'string' ? config : JSON.stringify(config));
    for (const [name, config] of right) {
      it(`${name}: yes`, () => {
        assert.equal(count(write(config)), 0);
      });
    }
    for (const [name, config] of wrong) {
      it(`${name}: no`, () => {
        assert.ok((count(write(config)) ?? 0) > 0);
        // Without the annotation any may be reserved.
        assert.equal(count(write(config), {}), 0);
      });
    }

    it('reject every configuration with which the plugin would reserve another address', () => {
      for (const [name, config] of [...right, ...wrong]) {
        if (count(write(config)) !== 0) continue;
        const { plugins = [JSON.parse(write(config))] } = JSON.parse(write(config));
        for (const plugin of plugins.filter(({ type }: { type: string }) => type === 'egress-router')) {
          const read = parseNetConf({ name: 'x', ...plugin });
          assert.ok(read.ok, `${name}: ${JSON.stringify(read)}`);
          for (const { prefix } of read.value.reserved)
            assert.ok(annotated['egress-router.io/addresses'].split(/, */).includes(prefix.address.text), name);
        }
      }
    });

    it('hold for random configurations, too', () => {
      const blank = fc.constantFrom('', '', ' ', '\n', '\t');
      const address = fc.constantFrom(
        '192.168.12.99/24',
        '192.168.12.98/24',
        '2001:db8:12::99/64',
        '2001:db8:12::98/64',
      );
      const entry = fc.oneof(
        address.map((text) => JSON.stringify(text)),
        fc.tuple(address, blank).map(([text, space]) => `{${space}"ip"${space}:${JSON.stringify(text)}${space}}`),
        fc.constantFrom('7', 'null', '{"ip":7}', '"]"', '"\\u0031"', '{"gateway":"]","ip":"192.168.12.98/24"}'),
      );
      const list = fc
        .tuple(fc.array(entry, { maxLength: 3 }), blank)
        .map(([all, space]) => `[${space}${all.join(`${space},`)}]`);
      const section = fc
        .tuple(blank, fc.array(list, { minLength: 1, maxLength: 2 }))
        .map(([space, lists]) => lists.map((one) => `"addresses"${space}:${space}${one}`).join());
      const config = fc
        .tuple(section, fc.constantFrom('ip', 'egressRouter'))
        .map(
          ([text, key]) =>
            `{"name":"x","type":"egress-router","${key}":{${text},"gateway":"192.168.12.1","fallbackIP":"10.0.0.1"}}`,
        );
      fc.assert(
        fc.property(config, (text) => {
          const read = parseNetConf(JSON.parse(text));
          if (!read.ok) return;
          const isOurs = read.value.reserved.every(({ prefix }) => prefix.address.text.endsWith('99'));
          if (!isOurs) assert.notEqual(count(text), 0, text);
        }),
        { numRuns: 2000 },
      );
    });

    it("do not concern the controller or OpenShift's operator", () => {
      const config = write(withAddresses('192.168.12.98/24'));
      for (const username of [
        'system:serviceaccount:egress-router-system:egress-router-controller',
        'system:serviceaccount:openshift-network-operator:cluster-network-operator',
      ])
        assert.equal(count(config, annotated, username), undefined);
    });
  });

  it('match every definition that may be of our type, including JSON escapes', () => {
    const [condition] = policyOf('egress-router-network-definitions').spec.matchConditions as readonly Expression[];
    const isMeant = (config: string): unknown =>
      evaluate(condition?.expression ?? '', { object: { spec: { config } } });
    assert.equal(isMeant('{"type":"egress-router"}'), true);
    assert.equal(isMeant('{"type":"egress\\u002drouter"}'), true);
    assert.equal(isMeant('{"type":"macvlan"}'), false);
  });
});
