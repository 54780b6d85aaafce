import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { generateFiles } from '../../../hack/generate-tool.ts';
import { parseEgressRouterPool } from '../../../src/egress/api/egress-router.ts';
import { parseNetConf } from '../../../src/egress/api/net-conf.ts';
import { assignMembers } from '../../../src/egress/controller/objects/members.ts';
import { namesOf } from '../../../src/egress/controller/objects/names.ts';
import { makeDeployment } from '../../../src/egress/controller/objects/objects.ts';
import { readRouter } from '../../../src/egress/controller/objects/router.ts';
import { findConnectionLimit } from '../../../src/ingress/http/file-limit.ts';
import { httpOptionTable } from '../../../src/ingress/http/option-table.ts';
import { readObject } from '../../../src/ingress/objects/kinds.ts';
import { admit, assignDomains } from '../../../src/ingress/operator/admission.ts';
import { readIngressController } from '../../../src/ingress/operator/ingress-controller.ts';
import { places } from '../../../src/ingress/operator/names.ts';
import { documentedEgressRouter } from '../../unit/egress/api/samples.ts';
import { type KubeDocument, overlays, readExamples, render, renderFolder } from './rendered.ts';
import { findMistakes, hasSchema } from './strict.ts';

/** Kinds without a published schema of Kubernetes: others' resources. */
const othersKinds = new Set([
  'SecurityContextConstraints',
  'EgressRouter',
  'NetworkAttachmentDefinition',
  'Route',
  'Gateway',
  'TCPRoute',
  'UDPRoute',
  'ReferenceGrant',
]);

/** Namespaces of IngressControllers and their routers. */
const routerPlaces: readonly string[] = Object.values(places);

describe('manifests', function () {
  this.timeout(60_000);

  for (const overlay of overlays) {
    it(`of the overlay ${overlay} render, and match Kubernetes’ schemas without unknown fields`, async () => {
      const objects = render(overlay);
      assert.ok(objects.length > 5);
      for (const object of objects) {
        const name = `${object.kind} ${object.metadata.name}`;
        if (othersKinds.has(object.kind)) continue;
        assert.ok(hasSchema(object), name);
        assert.deepEqual(await findMistakes(object), [], name);
      }
    });
  }

  it('are checked such that a mistake is found', async () => {
    const [deployment] = render('egress').filter(({ kind }) => kind === 'Deployment');
    const copy = structuredClone(deployment) as KubeDocument;
    copy.spec.template.spec.containers[0].readynessProbe = {};
    assert.deepEqual(await findMistakes(copy), ['.spec.template.spec.containers.0.readynessProbe: unknown field']);
    copy.spec.replicas = 'two';
    assert.match((await findMistakes(copy)).join(), /replicas/);
  });

  it('contain no duplicate objects, all in one namespace or in none', () => {
    for (const overlay of overlays) {
      const names = render(overlay).map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''} ${metadata.name}`);
      assert.equal(new Set(names).size, names.length, overlay);
      for (const { metadata } of render(overlay)) {
        const allowed = ['egress-router-system', undefined, ...(overlay === 'ingress-controllers' ? routerPlaces : [])];
        assert.ok(allowed.includes(metadata.namespace), metadata.name);
      }
    }
  });

  it('use the image of the overlay, and grant no unneeded privileges', () => {
    for (const { kind, metadata, spec } of render('default')) {
      if (kind !== 'Deployment' && kind !== 'DaemonSet') continue;
      for (const { name, image, securityContext, resources } of spec.template.spec.containers) {
        assert.equal(image, 'registry.example/egress-router:0.1.0');
        assert.deepEqual(securityContext.capabilities.drop, ['ALL'], metadata.name);
        assert.equal(securityContext.allowPrivilegeEscalation, false);
        assert.equal(securityContext.readOnlyRootFilesystem, true);
        const rights: Readonly<Record<string, readonly string[]>> = {
          'ingress-agent': ['NET_ADMIN'],
          addresses: ['NET_ADMIN', 'NET_RAW'],
          haproxy: ['NET_BIND_SERVICE', 'SETUID', 'SETGID', 'SYS_CHROOT', 'CHOWN', 'FOWNER', 'KILL'],
          'egress-router-node': ['SYS_ADMIN', 'NET_ADMIN', 'NET_RAW'],
        };
        const added: readonly string[] | undefined = rights[name in rights ? name : metadata.name];
        assert.deepEqual(securityContext.capabilities.add, added, name);
        assert.match(resources.limits.memory, /^\d+[MG]i$/, metadata.name);
      }
    }
  });

  it('give HAProxy memory for its connections, and a container that the agent does not terminate', () => {
    const { spec } = render('default').find(
      ({ metadata, kind }) => kind === 'DaemonSet' && metadata.name === 'ingress-agent',
    ) as KubeDocument;
    const [agent, haproxy] = ['ingress-agent', 'haproxy'].map((name) =>
      spec.template.spec.containers.find((one: { name: string }) => one.name === name),
    );
    assert.deepEqual(
      [agent.command, haproxy.command],
      [['ingress-agent', '--haproxy-container', '--listener-ports=61000-61063'], ['ingress-haproxy']],
    );
    assert.equal(spec.template.spec.shareProcessNamespace, undefined);
    assert.deepEqual(agent.volumeMounts, haproxy.volumeMounts);
    const [, gigabytes] = /^(\d+)Gi$/.exec(haproxy.resources.limits.memory) ?? [];
    const { connections = 0 } = findConnectionLimit({ memoryLimit: Number(gigabytes) * 2 ** 30, files: 1_048_576 });
    assert.ok(connections >= Number(httpOptionTable['max-connections'].initial), `${connections}`);
  });

  it('let a second pod start on a node during a rollout of pods on its network', () => {
    const surging = render('default').filter(
      ({ kind, spec }) =>
        kind === 'DaemonSet' &&
        spec.template.spec.hostNetwork === true &&
        ![undefined, 0, '0%'].includes(spec.updateStrategy?.rollingUpdate?.maxSurge),
    );
    assert.ok(surging.some(({ metadata }) => metadata.name === 'ingress-agent'));
    for (const { metadata, spec } of surging) {
      // The scheduler admits one pod per node and host port, and on the host's network every declared port is one.
      for (const { name, ports } of spec.template.spec.containers)
        assert.equal(ports, undefined, `${metadata.name}/${name}`);
    }
  });

  it('let a kubelet probe every program at its address', () => {
    for (const { kind, metadata, spec } of render('default')) {
      if (kind !== 'Deployment' && kind !== 'DaemonSet') continue;
      for (const { livenessProbe, readinessProbe, startupProbe } of spec.template.spec.containers) {
        // HAProxy's container has none: it must not end for want of an agent.
        for (const { httpGet } of [livenessProbe, readinessProbe, startupProbe].filter(
          (probe) => probe !== undefined,
        )) {
          // Programs on the node's network answer on its loopback; a pod has an address of its own.
          const host = spec.template.spec.hostNetwork === true ? '127.0.0.1' : undefined;
          if (httpGet !== undefined) assert.equal(httpGet.host, host, metadata.name);
        }
      }
    }
  });

  it('run the agent on Linux nodes only, as critical, with two minutes to start', () => {
    const agent = render('default').find(
      ({ metadata, kind }) => kind === 'DaemonSet' && metadata.name === 'ingress-agent',
    );
    const { nodeSelector, priorityClassName, containers } = agent?.spec.template.spec ?? {};
    assert.deepEqual(nodeSelector, { 'egress-router.io/ingress': '', 'kubernetes.io/os': 'linux' });
    assert.equal(priorityClassName, 'system-node-critical');
    const { startupProbe } = containers.find(({ name }: { name: string }) => name === 'ingress-agent');
    assert.ok(startupProbe.periodSeconds * startupProbe.failureThreshold >= 120);
  });

  it('for scrapers match Kubernetes’ schemas, and name existing accounts', async () => {
    const accounts = new Set(
      render('default').flatMap(({ kind, metadata }) => (kind === 'ServiceAccount' ? [metadata.name] : [])),
    );
    for (const object of renderFolder('metrics')) {
      assert.deepEqual(await findMistakes(object), [], object.metadata.name);
      for (const { name } of object.subjects ?? []) assert.ok(accounts.has(name), name);
    }
  });

  it('leave EgressRouters to the operator on OpenShift, and use its folder', () => {
    const objects = render('openshift');
    const kinds = objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    assert.ok(!kinds.some((name) => name.startsWith('CustomResourceDefinition egress') || name.includes('controller')));
    const plugin = objects.find(({ kind, metadata }) => kind === 'DaemonSet' && metadata.name === 'egress-router-node');
    const volumes = plugin?.spec.template.spec.volumes as readonly { name: string }[];
    assert.deepEqual(
      volumes.filter(({ name }) => name === 'cni-bin'),
      [{ name: 'cni-bin', hostPath: { path: '/var/lib/cni/bin', type: 'Directory' } }],
    );
  });

  it('that the controller creates match Kubernetes’ schemas, too', async () => {
    const router = readRouter({ ...documentedEgressRouter, metadata: { namespace: 'shop', name: 'web', uid: 'u' } });
    assert.ok(router?.spec.ok);
    const settings = {
      image: 'a',
      clusterNetworks: [],
      ruleBackend: 'auto',
      log: { file: '/tmp/egress-router-log', level: 'debug' },
      nodeFailureSeconds: 30,
      allowedNames: [],
      hasDefaultRouteAnnotation: false,
      nodeSelector: { zone: 'a' },
      liveTimeout: 10_000,
    } as const;
    const [member] = assignMembers(namesOf('web', true), router.spec.value, []);
    assert.ok(member !== undefined);
    const template = { configuration: 'c', structure: 's', avoidedNodes: ['n1', 'n2'] };
    const deployment = makeDeployment(router, member, settings, template);
    assert.deepEqual(await findMistakes(structuredClone(deployment) as unknown as KubeDocument), []);
  });

  it('equal the output of hack/generate', () => {
    for (const [path, text] of generateFiles()) {
      assert.equal(readFileSync(path, 'utf8'), text, `${path} is out of date: run hack/generate`);
    }
  });
});

describe('examples', () => {
  it('are of one namespace that -n chooses, or name the namespaces of all their objects', () => {
    for (const [path, objects] of readExamples()) {
      const own = objects.filter(
        ({ kind, metadata }) =>
          !['GatewayClass', 'IngressAddressPool', 'Namespace'].includes(kind) && metadata.namespace === undefined,
      );
      const named = objects.filter(({ metadata }) => metadata.namespace !== undefined);
      assert.ok(own.length === 0 || named.length === 0, path);
      // References to a namespace would be wrong in every other one.
      if (named.length === 0)
        assert.doesNotMatch(JSON.stringify(objects.map(({ spec }) => spec)), /"namespace":/, path);
    }
  });

  for (const [path, objects] of readExamples()) {
    it(`in ${path} are valid for the programs`, async () => {
      for (const object of objects) {
        const name = `${object.kind} ${object.metadata.name}`;
        switch (object.kind) {
          case 'EgressRouter': {
            const read = parseEgressRouterPool(object.spec, 'spec');
            assert.ok(read.ok, JSON.stringify(read));
            break;
          }
          case 'IngressController': {
            const controller = readIngressController({ ...object, metadata: { ...object.metadata, uid: 'u' } });
            assert.ok(controller !== undefined, name);
            const admission = admit(controller, assignDomains([controller], undefined), undefined);
            assert.ok(admission.isAdmitted, `${name}: ${JSON.stringify(admission)}`);
            break;
          }
          case 'NetworkAttachmentDefinition': {
            const read = parseNetConf(JSON.parse(object.spec.config));
            assert.ok(read.ok, JSON.stringify(read));
            break;
          }
          default: {
            if (hasSchema(object)) {
              assert.deepEqual(await findMistakes(object), [], name);
              break;
            }
            const reading = readObject(object);
            assert.equal(reading.outcome, 'object', `${name}: ${JSON.stringify(reading)}`);
            if (reading.outcome === 'object' && reading.object.kind === 'Route') {
              const { ports, http } = reading.object.value;
              assert.ok(ports?.demand.ok !== false && http.ok, `${name}: ${JSON.stringify([ports, http])}`);
            }
          }
        }
      }
    });
  }
});
