import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'mocha';
import { parse } from 'yaml';
import { type KubeDocument, readExamples } from '../../../cluster/manifests/rendered.ts';
import { Agent } from '../../../lab/agent-client.ts';
import { HttpNode, serverAddress, type Words } from '../../../lab/http-node.ts';
import { runIp } from '../../../lab/namespaces.ts';
import { until } from '../../../until.ts';

const netns = 'erexa';
/** Addresses of the pool of an example. */
const poolAddresses = ['192.0.2.10', '192.0.2.11', '192.0.2.12'];
const secondAddress = '10.97.0.3';
/** A client outside all networks that an example allows. */
const stranger = '198.51.100.7';

/** The objects of an example as `kubectl apply -n shop` writes them. */
function readExample(path: string): readonly KubeDocument[] {
  const objects = readExamples().get(path) ?? [];
  const clusterKinds = ['Namespace', 'GatewayClass', 'IngressAddressPool'];
  return objects.map((object) => {
    const isClusterWide = clusterKinds.includes(object.kind) || object.metadata.namespace !== undefined;
    return isClusterWide ? object : { ...object, metadata: { ...object.metadata, namespace: 'shop' } };
  });
}

/** The IngressClass of the manifests. */
function readIngressClass(): object {
  return parse(readFileSync('manifests/ingress/ingress-class.yaml', 'utf8'));
}

/** Finds the container that a port of a Service leads to, and checks that its program listens there. */
function findContainer(objects: readonly KubeDocument[], service: KubeDocument, target: string) {
  const deployment = objects.find(
    ({ kind, metadata, spec }) =>
      kind === 'Deployment' &&
      metadata.namespace === service.metadata.namespace &&
      Object.entries(service.spec.selector).every(([key, value]) => spec.template.metadata.labels[key] === value),
  );
  assert.ok(deployment, `no Deployment has the pods of Service ${service.metadata.name}`);
  const { replicas, selector, template } = deployment.spec;
  assert.deepEqual(selector.matchLabels, template.metadata.labels);
  const [container] = template.spec.containers;
  const port = container.ports.find(({ name }: { name: string }) => name === target);
  assert.ok(port, `no port ${target} in ${deployment.metadata.name}`);
  const option = port.protocol === 'UDP' ? '--udp-port' : '--http-port';
  assert.ok(container.args.includes(`${option}=${port.containerPort}`), container.args.join(' '));
  const secretName: string | undefined = template.spec.volumes?.[0].secret.secretName;
  const pair = secretName && objects.find(({ kind, metadata }) => kind === 'Secret' && metadata.name === secretName);
  assert.equal(pair !== undefined, secretName !== undefined, `Secret ${secretName}`);
  return { name: deployment.metadata.name, replicas, protocol: port.protocol ?? 'TCP', pair: pair || undefined };
}

describe('examples of the ingress agent, applied to the agent as built', () => {
  let node: HttpNode;
  let peers: Agent;
  let port = 20_000;

  before(async function () {
    this.timeout(60_000);
    node = new HttpNode(netns, { RELOAD_INTERVAL: '1s', ROUTER_ALLOW_WILDCARD_ROUTES: 'true' });
    await node.up();
    // Nothing but this node holds the addresses of the pool.
    const held = poolAddresses.map((address) => `address add ${address}/32 dev lo`);
    await runIp(netns, [`address add ${stranger}/32 dev lo`, ...held]);
    peers = await Agent.start(netns);
    await node.start('--listener-ports', '61000-61063');
  });
  after(async () => {
    await node.end('SIGTERM');
    node.down();
  });

  /** Starts what the pods of an example would be, and returns the EndpointSlices that a cluster would have. */
  async function startPods(objects: readonly KubeDocument[], isGreeting: boolean): Promise<readonly object[]> {
    const slices: object[] = [];
    for (const service of objects.filter(({ kind }) => kind === 'Service')) {
      const { name, namespace } = service.metadata;
      for (const { name: portName, targetPort } of service.spec.ports) {
        const container = findContainer(objects, service, targetPort);
        port += 1;
        const addresses = [serverAddress, secondAddress].slice(0, container.replicas);
        for (const host of addresses) {
          const { 'tls.crt': certificate, 'tls.key': key } = container.pair?.stringData ?? {};
          if (container.protocol === 'UDP') await peers.serve('udp', host, port);
          else if (isGreeting) await peers.serve('tcp', host, port);
          else {
            const h2c = targetPort === 'grpc' && { h2c: true };
            await node.serve({ name: container.name, host, port, ...(certificate && { certificate, key }), ...h2c });
          }
        }
        slices.push({
          apiVersion: 'discovery.k8s.io/v1',
          kind: 'EndpointSlice',
          metadata: { namespace, name: `${name}-${port}`, labels: { 'kubernetes.io/service-name': name } },
          addressType: 'IPv4',
          ports: [{ name: portName, port, protocol: container.protocol }],
          endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
        });
      }
    }
    return slices;
  }

  /** Asks until a Deployment's pod answers; a status may come just before the first request is served. */
  async function expectFrom(server: string, scheme: 'http' | 'https', host: string, path: string, words: Words = {}) {
    let answer = await node.ask(scheme, host, path, words);
    for (const deadline = Date.now() + 5000; answer.echo === undefined && Date.now() < deadline; ) {
      answer = await node.ask(scheme, host, path, words);
    }
    assert.equal(answer.echo?.server, server, `${answer.status} ${answer.error} ${node.log.slice(-2000)}`);
    return answer;
  }

  /** Sends datagrams until a pod answers: a Gateway has no status that the request could wait for. */
  async function expectDatagram(udp: number): Promise<void> {
    const wanted = new RegExp(`10\\.97\\.0\\.[13] ${port}$`);
    let answer = '';
    for (const deadline = Date.now() + 5000; !wanted.test(answer) && Date.now() < deadline; ) {
      answer = await peers.reach('udp', '10.97.0.2', udp, { timeout: 300 });
    }
    assert.match(answer, wanted);
  }

  const onPort = (tcp: number): Words => ({ address: '10.97.0.2', port: tcp });

  const requests: Readonly<Record<string, () => Promise<void>>> = {
    'ingress/http.yaml': async () => {
      await expectFrom('http-demo', 'http', 'http.example', '/hostname');
    },
    'ingress/edge.yaml': async () => {
      const { headers, subject, echo } = await expectFrom('edge-demo', 'https', 'edge.example', '/hostname');
      assert.equal(subject, 'edge.example');
      assert.equal(headers['strict-transport-security'], 'max-age=31536000;includeSubDomains');
      assert.equal(echo?.headers['x-forwarded-proto'], 'https');
      const plain = await node.ask('http', 'edge.example', '/hostname');
      assert.deepEqual([plain.status, plain.headers.location], [302, 'https://edge.example/hostname']);
    },
    'ingress/ingress.yaml': async () => {
      const { echo, headers } = await expectFrom('ingress-demo', 'https', 'ingress.example', '/shop/hostname');
      assert.equal(echo?.url, '/hostname');
      assert.match(String(headers['set-cookie']), /^INGRESSCOOKIE=.*; Max-Age=3600; HttpOnly; Secure$/);
      const plain = await node.ask('http', 'ingress.example', '/shop');
      assert.deepEqual([plain.status, plain.headers.location], [308, 'https://ingress.example/shop']);
    },
    'ingress/reencrypt.yaml': async () => {
      const { subject } = await expectFrom('reencrypt-demo', 'https', 'reencrypt.example', '/hostname');
      assert.notEqual(subject, 'reencrypt-demo.shop.svc', 'the client sees the router’s certificate');
    },
    'ingress/passthrough.yaml': async () => {
      const { subject } = await expectFrom('passthrough-demo', 'https', 'passthrough.example', '/hostname');
      assert.equal(subject, 'passthrough.example', 'the client sees the pod’s certificate');
    },
    'ingress/wildcard.yaml': async () => {
      for (const host of ['any', 'www']) {
        await expectFrom('wildcard-demo', 'http', `${host}.wildcard.example`, '/hostname');
      }
    },
    'ingress/headers.yaml': async () => {
      const sent = { 'user-agent': 'TEST', referer: 'http://elsewhere.example/' };
      const answer = await expectFrom('headers-demo', 'http', 'headers.example', '/header', { headers: sent });
      assert.equal(answer.echo?.headers['x-client-agent'], 'test');
      assert.equal(answer.echo?.headers.referer, undefined);
      assert.equal(answer.headers['x-served-for'], 'headers.example');
    },
    'ingress/weights.yaml': async () => {
      const counts: Record<string, number> = {};
      const first = await expectFrom('weights-demo', 'http', 'weights.example', '/shop/hostname');
      assert.equal(first.echo?.url, '/hostname');
      for (let count = 0; count < 50; count++) {
        const { echo } = await node.ask('http', 'weights.example', '/shop/hostname');
        counts[echo?.server ?? ''] = (counts[echo?.server ?? ''] ?? 0) + 1;
      }
      const { 'weights-demo': most = 0, 'weights-demo-next': some = 0 } = counts;
      assert.ok(most + some === 50 && Math.abs(most - 40) <= 2, JSON.stringify(counts));
    },
    'ingress/tcp.yaml': async () => {
      await expectFrom('tcp-demo', 'http', 'any', '/hostname', onPort(13_306));
    },
    'ingress/udp.yaml': async () => {
      await expectDatagram(15_353);
    },
    'ingress/guarded.yaml': async () => {
      const from = (address: string) => peers.reach('tcp', '10.97.0.2', 15_432, { from: address });
      assert.match(await from('10.97.0.2'), new RegExp(`10\\.97\\.0\\.[13] ${port}$`));
      assert.equal(await from(stranger), 'timeout', 'a client that the list does not name');
    },
    'ingress/gateway.yaml': async () => {
      await expectFrom('gateway-web', 'http', 'any', '/hostname', onPort(23_306));
      await expectDatagram(25_353);
    },
    'ingress/httproute.yaml': async () => {
      await expectFrom('site', 'http', 'gateway.example', '/hostname');
      const preview = { headers: { 'x-preview': 'true' } };
      // A new header name takes a reload.
      await until(
        async () => {
          const { echo } = await node.ask('http', 'gateway.example', '/hostname', preview);
          return echo?.server === 'site-next' && echo.headers['x-variant'] === 'next';
        },
        () => node.log.slice(-2000),
        15_000,
      );
      const old = await node.ask('http', 'gateway.example', '/old');
      assert.deepEqual([old.status, old.headers.location], [301, 'http://www.example/old']);
      assert.equal((await node.ask('http', 'other.example', '/hostname')).status, 404);
    },
    'ingress/filters.yaml': async () => {
      const headers = { origin: 'https://a.shop.example' };
      // A new header name takes a reload.
      await until(
        async () => {
          const answer = await node.ask('http', 'filters.example', '/hostname', { headers });
          const { 'access-control-allow-origin': origin, 'x-served-by': servedBy } = answer.headers;
          return origin === headers.origin && servedBy === 'filters' && answer.status === 200;
        },
        () => node.log.slice(-2000),
        15_000,
      );
      const preflight = { ...headers, 'access-control-request-method': 'PUT' };
      const asked = await node.ask('http', 'filters.example', '/', { method: 'OPTIONS', headers: preflight });
      assert.deepEqual([asked.status, asked.headers['access-control-max-age']], [204, '600']);
    },
    'ingress/listenerset.yaml': async () => {
      await expectFrom('team', 'http', 'team.example', '/hostname');
      assert.equal((await node.ask('http', 'shared.example', '/hostname')).status, 404);
    },
    'ingress/client-certificates.yaml': async () => {
      const client = readExample('ingress/client-certificates.yaml').find(
        ({ kind, metadata }) => kind === 'Secret' && metadata.name === 'client-demo',
      );
      const { 'tls.crt': cert, 'tls.key': key } = client?.stringData ?? {};
      await expectFrom('mutual', 'https', 'mutual.example', '/hostname', { client: { cert, key } });
      const stranger = await node.ask('https', 'mutual.example', '/hostname');
      assert.deepEqual([stranger.status, stranger.echo], [0, undefined], 'no connection without a certificate');
    },
    'ingress/backend-tls.yaml': async () => {
      await expectFrom('backend-tls-demo', 'http', 'backend-tls.example', '/hostname');
    },
    'ingress/grpcroute.yaml': async () => {
      const words = onPort(8081);
      const { echo } = await expectFrom('greeter', 'http', 'grpc.example', '/example.Greeter/SayHello', words);
      assert.equal(echo?.httpVersion, '2.0');
      assert.equal((await node.ask('http', 'grpc.example', '/example.Greeter/Other', words)).status, 404);
    },
    'ingress/tlsroute.yaml': async () => {
      const { subject } = await expectFrom('tlsroute-demo', 'https', 'passthrough.example', '/hostname', onPort(8443));
      assert.equal(subject, 'passthrough.example', 'the client sees the pod’s certificate');
    },
    'ingress/address-pool.yaml': async () => {
      const servers = async () => {
        const answers = await Promise.all(
          poolAddresses.map((address) => node.ask('http', 'any', '/hostname', { address, port: 80 })),
        );
        return answers.map(({ echo, status }) => echo?.server ?? status);
      };
      let found: unknown[] = [];
      // One address is the Gateway's; at the others HAProxy answers that it knows no such host.
      const isServed = async () => {
        found = await servers();
        return found.filter((one) => one === 'pooled').length === 1;
      };
      await until(isServed, () => [found, node.log.slice(-2000)], 15_000);
    },
    'ingress/gateway-grant.yaml': () => expectDatagram(26_353),
  };

  for (const path of readExamples().keys()) {
    if (!path.startsWith('ingress/')) continue;
    it(`${path} is admitted and serves a request`, async () => {
      const request = requests[path];
      assert.ok(request, 'an example without a request');
      const objects = readExample(path);
      const slices = await startPods(objects, path === 'ingress/guarded.yaml');
      assert.ok(slices.length > 0);
      const read = objects.filter(({ kind }) => !['Deployment', 'Role', 'RoleBinding'].includes(kind));
      node.write('example', ...read, ...slices, readIngressClass());
      for (const { metadata } of objects.filter(({ kind }) => kind === 'Route')) {
        await until(
          () => node.status(metadata.name)?.verdict === 'True',
          () => [node.status(metadata.name), node.log.slice(-2000)],
          15_000,
        );
        assert.doesNotMatch(node.status(metadata.name)?.message ?? '', /annotation/i);
      }
      await request();
      node.remove('example');
    }).timeout(40_000);
  }

  it('let the agent read a Secret by the Role that edge.yaml has', () => {
    const objects = readExample('ingress/edge.yaml');
    const find = (kind: string) => objects.find((object) => object.kind === kind) as KubeDocument;
    const { name } = find('Route').spec.tls.externalCertificate;
    assert.deepEqual(
      [find('Secret').metadata.name, find('Role').rules[0].resourceNames, find('RoleBinding').roleRef.name],
      [name, [name], find('Role').metadata.name],
    );
    assert.deepEqual(find('Role').rules[0].verbs, ['get', 'list', 'watch']);
    const [{ kind, name: account, namespace }] = find('RoleBinding').subjects;
    assert.deepEqual([kind, account, namespace], ['ServiceAccount', 'ingress-agent', 'egress-router-system']);
  });
});
