import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'mocha';
import { namesSocket } from '../../../../src/egress/model/name-request.ts';
import { NameServer } from '../../../../src/egress/names/name-server.ts';
import { NameResolver } from '../../../../src/egress/names/resolver.ts';
import { Lab } from '../../../lab/lab.ts';
import { addresses as at } from '../../../lab/names.ts';
import { silentLog } from '../../../lab/silent-log.ts';
import { until } from '../../../until.ts';
import { clusterPaths as paths } from '../../lab/cluster.ts';
import { ControllerLab } from '../../lab/controller-lab.ts';
import { type KubeDocument, readExamples } from '../../manifests/rendered.ts';

/** A connection of a client in another subnet, and what its destination answers: source, own address, own port. */
interface Request {
  readonly protocol?: 'tcp' | 'udp';
  readonly family?: 4 | 6;
  readonly port: number;
  readonly answer: string;
}

/** Requests to the routers of an example, in the order of their addresses. */
const requests: Readonly<Record<string, readonly (readonly Request[])[]>> = {
  'egress/redirect.yaml': [
    [
      { port: 8080, answer: `192.168.12.99 ${at.web[4]} 80` },
      { port: 8443, answer: `192.168.12.99 ${at.secure[4]} 443` },
      { protocol: 'udp', port: 80, answer: `192.168.12.99 ${at.datagrams[4]} 80` },
      { port: 9090, answer: 'ECONNREFUSED' },
    ],
  ],
  'egress/pool.yaml': [
    [{ port: 8080, answer: `192.168.12.103 ${at.web[4]} 80` }],
    [{ port: 8080, answer: `192.168.12.104 ${at.web[4]} 80` }],
  ],
  'egress/fallback.yaml': [
    [
      { port: 8080, answer: `192.168.12.100 ${at.web[4]} 80` },
      { port: 9090, answer: `192.168.12.100 ${at.fallback[4]} 9090` },
    ],
  ],
  'egress/dual-stack.yaml': [
    [
      { port: 8080, answer: `192.168.12.101 ${at.web[4]} 80` },
      { family: 6, port: 8080, answer: `2001:db8:12::101 ${at.web[6]} 80` },
    ],
  ],
  'egress/names.yaml': [
    [
      { port: 8443, answer: `192.168.12.105 ${at.secure[4]} 443` },
      { port: 9090, answer: 'ECONNREFUSED' },
    ],
  ],
  'egress/master.yaml': [[{ port: 8080, answer: `192.168.12.102 ${at.web[4]} 8080` }]],
  'egress/without-controller.yaml': [
    [
      { port: 8080, answer: `192.168.12.99 ${at.web[4]} 80` },
      { protocol: 'udp', port: 80, answer: `192.168.12.99 ${at.datagrams[4]} 80` },
    ],
  ],
};

describe('examples of egress routers, applied to the controller and the plugin as built', function () {
  this.timeout(60_000);
  let hosts: Lab;
  let cluster: ControllerLab;
  let names: NameServer;
  const resolver = new NameResolver(
    {
      policy: { clusterNetworks: [], allowedNetworks: [], allowedSuffixes: [] },
      times: { shortest: 60_000, longest: 60_000, stale: 60_000 },
      mostNames: 10,
    },
    {
      lookUp: () => Promise.resolve({ kind: 'addresses', addresses: [{ family: 4, text: at.secure[4] }], ttl: 60 }),
      ownAddresses: () => new Set(),
      changed: () => undefined,
    },
  );

  before(async () => {
    // The plugin asks a node daemon for names; here it is only the part that answers.
    names = new NameServer({ resolver, allowedNetworks: [], log: silentLog });
    await names.listen(namesSocket);
    hosts = await Lab.up('erexe');
    await hosts.serveOutside({ tcp: [80, 443, 8080, 9090], udp: [80] });
  });
  after(() => {
    names?.close();
    resolver.close();
    hosts.down();
  });
  beforeEach(async () => {
    cluster = new ControllerLab('executable');
    await cluster.up();
  });
  afterEach(() => cluster.down());

  /** The definitions that Multus would find, and the labels of the pods, once the controller has made both. */
  async function reconcile(router: KubeDocument, count: number) {
    cluster.start();
    cluster.server.put(paths.routers, {
      ...router,
      metadata: {
        ...router.metadata,
        namespace: 'shop',
        uid: 'u',
        creationTimestamp: '2026-01-01T00:00:00Z',
        generation: 1,
      },
    });
    const { server } = cluster;
    await until(
      () => server.all(paths.deployments).length === count && server.all(paths.definitions).length === count,
      () => [cluster.conditionsOf(router.metadata.name), cluster.messageOf(router.metadata.name, 'Degraded')],
      20_000,
    );
    return {
      definitions: server.all(paths.definitions) as unknown as readonly KubeDocument[],
      deployments: server.all(paths.deployments) as unknown as readonly KubeDocument[],
    };
  }

  async function send({ protocol = 'tcp', family = 4, port }: Request): Promise<string> {
    return (await hosts.agent('far')).reach(protocol, at.pod[family], port);
  }

  for (const [path, objects] of readExamples()) {
    // Names need the node daemon and a DNS server: test/cluster/egress/node/names.test.ts sends requests to them.
    if (!path.startsWith('egress/') || path === 'egress/names.yaml') continue;
    it(`${path} sends requests from its reserved address`, async () => {
      const expected = requests[path];
      assert.ok(expected, 'an example without a request');
      const router = objects.find(({ kind }) => kind === 'EgressRouter');
      const { definitions, deployments } =
        router === undefined
          ? {
              definitions: objects.filter(({ kind }) => kind === 'NetworkAttachmentDefinition'),
              deployments: objects.filter(({ kind }) => kind === 'Deployment'),
            }
          : await reconcile(router, expected.length);
      const service = objects.find(({ kind }) => kind === 'Service');
      assert.ok(service, 'an example without a Service');
      for (const deployment of deployments) {
        const { labels } = deployment.spec.template.metadata;
        for (const [key, value] of Object.entries(service.spec.selector)) assert.equal(labels[key], value, key);
      }
      const configurations = definitions.map(({ spec }) => JSON.parse(spec.config));
      configurations.sort((one, other) => (one.ip.addresses[0] < other.ip.addresses[0] ? -1 : 1));
      assert.equal(configurations.length, expected.length);
      for (const [index, configuration] of configurations.entries()) {
        const added = await hosts.plugin('ADD', configuration);
        assert.equal(added.status, 0, added.stdout);
        for (const request of expected[index] ?? []) {
          assert.equal(await send(request), request.answer, `${request.protocol ?? 'tcp'} ${request.port}`);
        }
        assert.equal((await hosts.plugin('DEL', configuration)).status, 0);
      }
      for (const { port, protocol } of service.spec.ports) {
        if (protocol === 'SCTP') continue;
        const isAsked: boolean | undefined = expected[0]?.some(
          (one) => one.port === port && (one.protocol ?? 'tcp') === protocol.toLowerCase(),
        );
        assert.ok(isAsked, `no request to port ${port} of the Service`);
      }
    });
  }
});
