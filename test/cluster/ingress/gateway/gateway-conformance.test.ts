import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { openKubeApi } from '../../../../src/base/kubernetes/client.ts';
import { clusterNames } from '../../../../src/base/kubernetes/names.ts';
import { writeSlice } from '../../../unit/ingress/samples.ts';
import { until } from '../../../until.ts';
import { AgentNode, agentPaths } from '../../lab/agent-node.ts';
import { type KubeObject, TestApiServer } from '../../lab/api-server.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';

/** As a cluster with the standard channel of Gateway API 1.6 has them: `v1alpha2` is gone. */
const paths = {
  ...agentPaths,
  TCPRoute: '/apis/gateway.networking.k8s.io/v1/tcproutes',
  UDPRoute: '/apis/gateway.networking.k8s.io/v1/udproutes',
  ReferenceGrant: '/apis/gateway.networking.k8s.io/v1/referencegrants',
} as const;

type Kind = keyof typeof paths;
// biome-ignore lint/suspicious/noExplicitAny: a status is whatever was written
type Status = any;

const infra = 'gateway-conformance-infra';
const created = (seconds: number): string => new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString();

/** Each expectation of the TCPRoute and UDPRoute tests of the public suite, 1.6.1, as far as statuses and shares show it. */
for (const [kind, protocol] of [
  ['TCPRoute', 'tcp'],
  ['UDPRoute', 'udp'],
] as const) {
  describe(`Gateway API 1.6 conformance: ${kind}`, () => {
    let server: TestApiServer;
    let folder: string;
    let node: AgentNode | undefined;
    let generation = 0;

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'conformance-'));
      server = new TestApiServer(Object.values(paths));
      const api = openKubeApi(writeKubeconfig(folder, await server.start()));
      put('GatewayClass', 'class', '', { controllerName: clusterNames.gatewayController });
      for (const [index, name] of ['one', 'two', 'none'].entries()) putService(infra, name, `10.0.0.${index + 1}`);
      node = new AgentNode(api, 'n1', 'all');
    });

    afterEach(async () => {
      node?.stop();
      await server.stop();
      rmSync(folder, { recursive: true });
    });

    function put(one: Kind, name: string, namespace: string, spec: object, seconds = 1): void {
      const known = server.get(paths[one], namespace === '' ? name : `${namespace}/${name}`);
      const metadata = {
        name,
        ...(namespace !== '' && { namespace }),
        uid: `${one}-${namespace}-${name}`,
        creationTimestamp: created(seconds),
        generation: ++generation,
      };
      const object = { kind: one, metadata, spec, ...(known?.status !== undefined && { status: known.status }) };
      server.put(paths[one], object as KubeObject);
    }

    function putService(namespace: string, name: string, address: string): void {
      const port = { name: 'main', port: 5300, protocol: protocol.toUpperCase() };
      put('Service', name, namespace, { ports: [port] });
      const slice = writeSlice(name, [{ address }], [port]) as { metadata: object };
      server.put(paths.EndpointSlice, {
        ...slice,
        metadata: { ...slice.metadata, namespace },
      } as unknown as KubeObject);
    }

    const l4 = (name: string, port: number, more: object = {}) => ({
      name,
      port,
      protocol: protocol.toUpperCase(),
      ...more,
    });

    function putGateway(listeners: readonly object[], more: object = {}): void {
      put('Gateway', 'gw', infra, { gatewayClassName: 'class', listeners, ...more });
    }

    function putRoute(name: string, parent: object, backendRefs: readonly object[], seconds = 1): void {
      const parentRefs = [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'gw', ...parent }];
      put(kind, name, infra, { parentRefs, rules: [{ backendRefs }] }, seconds);
    }

    const statusOf = (one: Kind, key: string): Status => server.get(paths[one], key)?.status;
    const gatewayStatus = (): Status => statusOf('Gateway', `${infra}/gw`);
    const listenerOf = (name: string): Status =>
      gatewayStatus()?.listeners?.find((one: { name: string }) => one.name === name);

    /** `Accepted True Accepted`, of the newest generation of the object alone. */
    function show(conditions: Status, one: Kind, key: string): string {
      const now = server.get(paths[one], key)?.metadata.generation;
      return (conditions ?? [])
        .filter((condition: Status) => condition.observedGeneration === now)
        .map(({ type, status, reason }: Status) => `${type} ${status} ${reason}`)
        .join(', ');
    }
    const routeConditions = (name: string): string =>
      show(statusOf(kind, `${infra}/${name}`)?.parents?.[0]?.conditions, kind, `${infra}/${name}`);
    const gatewayConditions = (): string => show(gatewayStatus()?.conditions, 'Gateway', `${infra}/gw`);
    const listenerConditions = (name: string): string => show(listenerOf(name)?.conditions, 'Gateway', `${infra}/gw`);

    async function expect(look: () => unknown, want: unknown): Promise<void> {
      await until(
        () => JSON.stringify(look()) === JSON.stringify(want),
        () => [look(), want],
      ).catch((error: unknown) => {
        assert.deepEqual(look(), want, String(error));
      });
    }

    const accepted = 'Accepted True Accepted, ResolvedRefs True ResolvedRefs';
    const served = 'Accepted True Accepted, Programmed True Programmed';

    /** Where a port leads, with shares of 256. */
    function leadsTo(port: number): string {
      const open = node?.kernel.rules?.ports.find((one) => one.port === port);
      if (open === undefined) return 'closed';
      const ends = open.endpoints.map(({ address, weight }) => `${address.text}=${weight}`);
      return [...ends, ...(open.refused?.[4] === undefined ? [] : [`refused=${open.refused[4]}`])].join(' ');
    }

    it('GatewayClass: accepted, with version, features and the observed generation', async () => {
      const show1 = () => show(statusOf('GatewayClass', 'class')?.conditions, 'GatewayClass', 'class');
      await expect(show1, 'Accepted True Accepted, SupportedVersion True SupportedVersion');
      const names = statusOf('GatewayClass', 'class').supportedFeatures.map(({ name }: { name: string }) => name);
      assert.deepEqual(names, [
        'Gateway',
        'GatewayAddressEmpty',
        'GatewayStaticAddresses',
        'ListenerSet',
        'ReferenceGrant',
        'TCPRoute',
        'UDPRoute',
      ]);
      put('GatewayClass', 'class', '', { controllerName: clusterNames.gatewayController, description: 'new' });
      await expect(show1, 'Accepted True Accepted, SupportedVersion True SupportedVersion');
    });

    it('Simple: a route at a section is accepted and leads to its Service; the Gateway has addresses', async () => {
      putGateway([l4('l4', 5300)]);
      putRoute('a', { sectionName: 'l4' }, [{ name: 'one', port: 5300 }]);
      await expect(() => routeConditions('a'), accepted);
      await expect(gatewayConditions, served);
      assert.deepEqual(gatewayStatus().addresses, [
        { type: 'IPAddress', value: '192.0.2.10' },
        { type: 'IPAddress', value: '2001:db8::10' },
      ]);
      assert.deepEqual(listenerOf('l4').supportedKinds, [{ group: 'gateway.networking.k8s.io', kind }]);
      assert.equal(listenerOf('l4').attachedRoutes, 1);
      assert.equal(leadsTo(5300), '10.0.0.1=256');
      assert.equal(statusOf(kind, `${infra}/a`).parents[0].controllerName, clusterNames.gatewayController);
    });

    it('InvalidBackendRefNonexistent: ResolvedRefs False BackendNotFound, but Accepted', async () => {
      putGateway([l4('l4', 5300)]);
      putRoute('a', {}, [{ name: 'nonexistent', port: 5300 }]);
      await expect(() => routeConditions('a'), 'Accepted True Accepted, ResolvedRefs False BackendNotFound');
      assert.equal(leadsTo(5300), 'refused=256');
    });

    it('InvalidCrossNamespaceBackendRef, ReferenceGrant: RefNotPermitted without a grant, before and after', async () => {
      putService('gateway-conformance-web-backend', 'web', '10.0.0.9');
      putGateway([l4('l4', 5300)]);
      putRoute('a', {}, [{ name: 'web', namespace: 'gateway-conformance-web-backend', port: 5300 }]);
      const refused = 'Accepted True Accepted, ResolvedRefs False RefNotPermitted';
      await expect(() => routeConditions('a'), refused);
      put('ReferenceGrant', 'grant', 'gateway-conformance-web-backend', {
        from: [{ group: 'gateway.networking.k8s.io', kind, namespace: infra }],
        to: [{ group: '', kind: 'Service', name: 'web' }],
      });
      await expect(() => routeConditions('a'), accepted);
      assert.equal(leadsTo(5300), '10.0.0.9=256');
      server.remove(paths.ReferenceGrant, 'gateway-conformance-web-backend/grant');
      await expect(() => routeConditions('a'), refused);
      assert.equal(leadsTo(5300), 'refused=256');
    }).timeout(6000);

    it('ReferenceGrant: a grant applies to every route that it names, not only to the first', async () => {
      putService('gateway-conformance-web-backend', 'web', '10.0.0.9');
      put('ReferenceGrant', 'grant', 'gateway-conformance-web-backend', {
        from: [{ group: 'gateway.networking.k8s.io', kind, namespace: infra }],
        to: [{ group: '', kind: 'Service' }],
      });
      putGateway([l4('a', 5300), l4('b', 5301)]);
      for (const name of ['a', 'b']) {
        const backend = { name: 'web', namespace: 'gateway-conformance-web-backend', port: 5300 };
        putRoute(name, { sectionName: name }, [backend]);
      }
      await expect(() => ['a', 'b'].map(routeConditions), [accepted, accepted]);
    });

    it('InvalidNon…Listener, NotAllowedByListeners: a listener of another protocol accepts none, and the rest works', async () => {
      const other = kind === 'TCPRoute' ? 'HTTP' : 'TLS';
      putGateway([{ name: 'other', port: 5301, protocol: other }, l4('l4', 5300)]);
      putRoute('a', { sectionName: 'other' }, [{ name: 'one', port: 5300 }]);
      putRoute('b', { sectionName: 'l4' }, [{ name: 'one', port: 5300 }]);
      await expect(() => routeConditions('a'), 'Accepted False NotAllowedByListeners, ResolvedRefs True ResolvedRefs');
      await expect(gatewayConditions, 'Accepted True ListenersNotValid, Programmed True Programmed');
      assert.match(listenerConditions('other'), /^Accepted False UnsupportedProtocol, /);
      assert.deepEqual([listenerOf('other').attachedRoutes, listenerOf('other').supportedKinds], [0, []]);
      assert.deepEqual(
        gatewayStatus().listeners.map(({ name }: { name: string }) => name),
        ['other', 'l4'],
      );
      assert.equal(leadsTo(5300), '10.0.0.1=256');
    });

    it('MultipleRoutesAttachment: both are accepted and counted, and the older one gets the traffic', async () => {
      putGateway([l4('l4', 5300)]);
      putRoute('newer', { sectionName: 'l4' }, [{ name: 'two', port: 5300 }], 3);
      putRoute('older', { sectionName: 'l4' }, [{ name: 'one', port: 5300 }], 2);
      await expect(() => listenerOf('l4')?.attachedRoutes, 2);
      await expect(() => [routeConditions('newer'), routeConditions('older')], [accepted, accepted]);
      assert.equal(leadsTo(5300), '10.0.0.1=256');
    });

    it('ParentRefAttachAll: a route without section and port is attached to every listener of its protocol', async () => {
      putGateway([l4('a', 5300), l4('b', 5301), { name: 'c', port: 5302, protocol: 'HTTP' }, l4('d', 5303)]);
      putRoute('all', {}, [{ name: 'one', port: 5300 }]);
      await expect(() => routeConditions('all'), accepted);
      await expect(() => gatewayStatus()?.listeners?.map((one: Status) => one.attachedRoutes), [1, 1, 0, 1]);
      assert.deepEqual([5300, 5301, 5303].map(leadsTo), Array(3).fill('10.0.0.1=256'));
    });

    it('ParentRefPortAndSectionName: by port, by section, by both, and never if both differ', async () => {
      putGateway([l4('by-port', 5300), l4('by-section', 5301), l4('by.both', 5302)]);
      putRoute('p', { port: 5300 }, [{ name: 'one', port: 5300 }]);
      putRoute('s', { sectionName: 'by-section' }, [{ name: 'two', port: 5300 }]);
      putRoute('b', { sectionName: 'by.both', port: 5302 }, [{ name: 'none', port: 5300 }]);
      putRoute('x', { sectionName: 'by.both', port: 5300 }, [{ name: 'none', port: 5300 }]);
      await expect(() => ['p', 's', 'b'].map(routeConditions), [accepted, accepted, accepted]);
      assert.match(routeConditions('x'), /^Accepted False NoMatchingParent/);
      assert.deepEqual([5300, 5301, 5302].map(leadsTo), ['10.0.0.1=256', '10.0.0.2=256', '10.0.0.3=256']);
    });

    it('WeightedRouting: 70, 30 and 0', async () => {
      putGateway([l4('l4', 5300)]);
      const backends = [
        { name: 'one', port: 5300, weight: 70 },
        { name: 'two', port: 5300, weight: 30 },
        { name: 'none', port: 5300, weight: 0 },
      ];
      putRoute('a', {}, backends);
      await expect(() => routeConditions('a'), accepted);
      assert.equal(leadsTo(5300), '10.0.0.1=256 10.0.0.2=110 10.0.0.3=0');
      assert.equal(node?.kernel.rules?.ports[0]?.balance, 'roundrobin');
    });

    it('InvalidKind: a backend of another kind keeps its share and rejects it', async () => {
      putGateway([l4('l4', 5300)]);
      putRoute('a', {}, [
        { name: 'one', port: 5300 },
        { group: 'example.com', kind: 'Thing', name: 'x' },
      ]);
      await expect(() => routeConditions('a'), 'Accepted True Accepted, ResolvedRefs False InvalidKind');
      assert.equal(leadsTo(5300), '10.0.0.1=256 refused=256');
    });

    it('InvalidRouteKind: lists only supported kinds, and ResolvedRefs reports the others', async () => {
      const kinds = [{ kind }, { kind: 'HTTPRoute' }];
      putGateway([
        l4('some', 5300, { allowedRoutes: { kinds } }),
        l4('no', 5301, { allowedRoutes: { kinds: kinds.slice(1) } }),
      ]);
      await expect(() => gatewayStatus()?.listeners?.map((one: Status) => one.supportedKinds.length), [1, 0]);
      for (const name of ['some', 'no']) assert.match(listenerConditions(name), /ResolvedRefs False InvalidRouteKinds/);
      await expect(gatewayConditions, 'Accepted True ListenersNotValid, Programmed True Programmed');
    });

    it('UnsupportedProtocol: a Gateway without a supported listener is not accepted', async () => {
      putGateway([{ name: 'a', port: 5300, protocol: 'HTTPS' }]);
      await expect(gatewayConditions, 'Accepted False ListenersNotValid, Programmed False Invalid');
    });

    it('Conflicted: neither of two listeners with the same port and protocol is served, but a third one is', async () => {
      putGateway([l4('a', 5300), l4('b', 5300), l4('c', 5301)]);
      await expect(gatewayConditions, 'Accepted True ListenersNotValid, Programmed True Programmed');
      for (const name of ['a', 'b']) {
        assert.equal(
          listenerConditions(name),
          'Accepted False ProtocolConflict, Programmed False ProtocolConflict, ResolvedRefs True ResolvedRefs, Conflicted True ProtocolConflict',
        );
      }
      assert.deepEqual([leadsTo(5300), leadsTo(5301)], ['closed', '']);
    });

    it('StaticAddresses: unsupported, then not usable, then assigned', async () => {
      const invalid = { type: 'test/fake-invalid-type', value: 'fake' };
      const unusable = { type: 'IPAddress', value: '203.0.113.1' };
      const usable = { type: 'IPAddress', value: '192.0.2.10' };
      putGateway([l4('l4', 5300)], { addresses: [invalid, unusable, usable] });
      await expect(gatewayConditions, 'Accepted False UnsupportedAddress, Programmed False Invalid');
      putGateway([l4('l4', 5300)], { addresses: [unusable, usable] });
      await expect(gatewayConditions, 'Accepted True Accepted, Programmed False AddressNotUsable');
      assert.equal(leadsTo(5300), 'closed');
      putGateway([l4('l4', 5300)], { addresses: [usable] });
      await expect(gatewayConditions, served);
      assert.deepEqual(gatewayStatus().addresses, [usable]);
      assert.equal(leadsTo(5300), '');
    }).timeout(6000);

    it('ObservedGenerationBump, ModifyListeners, PreserveForeignConditions', async () => {
      putGateway([l4('a', 5300)]);
      await expect(gatewayConditions, served);
      const foreign = { type: 'example.com/Seeded', status: 'True', reason: 'Seeded', observedGeneration: 1 };
      const seen = gatewayStatus();
      const [listener] = seen.listeners;
      const status = {
        ...seen,
        conditions: [...seen.conditions, foreign],
        listeners: [{ ...listener, conditions: [...listener.conditions, foreign] }],
      };
      const object = server.get(paths.Gateway, `${infra}/gw`) as KubeObject;
      server.put(paths.Gateway, { ...object, status });
      putGateway([l4('a', 5300), l4('b', 5301)]);
      await expect(() => listenerConditions('b').slice(0, 22), 'Accepted True Accepted');
      await expect(gatewayConditions, served);
      assert.deepEqual(gatewayStatus().conditions.at(-1), foreign);
      assert.deepEqual(listenerOf('a').conditions.at(-1), foreign);
      putGateway([l4('b', 5301)]);
      await expect(() => gatewayStatus()?.listeners?.map(({ name }: { name: string }) => name), ['b']);
      assert.deepEqual([leadsTo(5300), leadsTo(5301)], ['closed', '']);
    }).timeout(6000);

    it('an object that becomes invalid keeps the observed generation of its conditions', async () => {
      putGateway([l4('a', 5300)]);
      await expect(gatewayConditions, served);
      const before = gatewayStatus().conditions[0].observedGeneration;
      put('Gateway', 'gw', infra, { gatewayClassName: 'class', listeners: 'none' });
      putRoute('marker', {}, [{ name: 'one', port: 5300 }]);
      await expect(() => routeConditions('marker'), accepted);
      assert.equal(gatewayStatus().conditions[0].observedGeneration, before);
    });
  });
}
