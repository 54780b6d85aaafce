import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { places } from '../../../src/ingress/operator/names.ts';
import { bodyOf, objectsOf, withLists } from '../../unit/ingress/operator/samples.ts';
import { toCel } from './admission.ts';
import { countRefusals } from './policy.ts';
import { render } from './rendered.ts';

// biome-ignore lint/suspicious/noExplicitAny: an object of Kubernetes
type Any = any;

const controller = 'system:serviceaccount:egress-router-system:egress-router-controller';
const ownerLabel = 'ingresscontroller.operator.openshift.io/owning-ingresscontroller';
const image = 'registry.example/egress-router:1';
const hostNetwork = { endpointPublishingStrategy: { type: 'HostNetwork' } };

/** Everything that adds a volume or a variable. */
const everything = {
  clientTLS: { clientCertificatePolicy: 'Required', clientCA: { name: 'ca' } },
  defaultCertificate: { name: 'own' },
  httpErrorCodePages: { name: 'pages' },
  logging: {
    access: {
      destination: { type: 'Syslog', syslog: { address: '192.0.2.9', port: 514 } },
      httpCaptureHeaders: { request: [{ name: 'Host', maxLength: 20 }] },
      httpCaptureCookies: [{ name: 'a', matchType: 'Exact', maxLength: 20 }],
    },
  },
  httpHeaders: {
    forwardedHeaderPolicy: 'Never',
    uniqueId: { name: 'id' },
    headerNameCaseAdjustments: ['Cache-Control'],
    actions: { request: [{ name: 'x-a', action: { type: 'Delete' } }] },
  },
  httpCompression: { mimeTypes: ['text/html'] },
  routeAdmission: { wildcardPolicy: 'WildcardsAllowed', namespaceOwnership: 'InterNamespaceAllowed' },
  namespaceSelector: { matchLabels: { a: 'b' } },
  routeSelector: { matchLabels: { a: 'b' } },
  tlsSecurityProfile: { type: 'Modern' },
  tuningOptions: { threadCount: 8, reloadInterval: '20s', configurationManagement: 'Dynamic' },
  unsupportedConfigOverrides: { contStats: 'true', dynamicConfigManager: 'true', maxDynamicServers: '3' },
};

const routers: readonly (readonly [what: string, spec: object, kind: 'deployments' | 'daemonSets'])[] = [
  [
    'a Deployment behind a load balancer',
    { endpointPublishingStrategy: { type: 'LoadBalancerService' } },
    'deployments',
  ],
  ['a Deployment with node ports', { endpointPublishingStrategy: { type: 'NodePortService' } }, 'deployments'],
  ['a Deployment on the nodes', { ...hostNetwork, replicas: 2 }, 'deployments'],
  ['a DaemonSet', { ...hostNetwork, nodePlacement: { nodeSelector: { matchLabels: { a: 'b' } } } }, 'daemonSets'],
  ['a Deployment with every field', { endpointPublishingStrategy: { type: 'Private' }, ...everything }, 'deployments'],
];

/** The object with the defaults that an API server adds. */
function stored(object: Any): Any {
  const copy = structuredClone(object);
  Object.assign(copy.metadata, { uid: 'u', generation: 1, managedFields: [] });
  const { spec } = copy.spec.template;
  Object.assign(spec, { restartPolicy: 'Always', schedulerName: 'default-scheduler', securityContext: {} });
  for (const container of spec.containers) {
    Object.assign(container, { imagePullPolicy: 'Always', terminationMessagePath: '/dev/termination-log' });
    container.securityContext.procMount = 'Default';
  }
  return copy;
}

describe('admission policies for routers of IngressControllers', () => {
  const own = structuredClone(
    render('default').find(({ metadata, kind }) => kind === 'Deployment' && /controller/.test(metadata.name)),
  ) as Any;
  own.spec.template.spec.containers[0].image = image;
  const count = (object: Any, oldObject: Any = null, username = controller, namespace: string = places.routers) =>
    ['egress-router-controller-routers', 'egress-router-controller-image', 'egress-router-controller-router-objects']
      .filter((name) => oldObject !== null || name !== 'egress-router-controller-router-objects')
      .map((name) =>
        countRefusals(name, {
          object: toCel(object),
          oldObject: oldObject === null ? null : toCel(oldObject),
          params: toCel(own),
          request: { namespace, userInfo: { username } },
        }),
      )
      .reduce<number>((sum, one) => sum + (one ?? 0), 0);
  const makeRouter = (spec: object, kind: 'deployments' | 'daemonSets'): Any =>
    structuredClone(bodyOf(objectsOf(spec, {}, withLists), kind, 'router-default'));

  for (const [what, spec, kind] of routers) {
    it(`let the controller create and change ${what}`, () => {
      const router = makeRouter(spec, kind);
      assert.equal(count(router), 0);
      assert.equal(count(stored(router)), 0);
      assert.equal(count(stored(router), stored(router)), 0);
      const newer = makeRouter({ ...spec, tuningOptions: { threadCount: 2 } }, kind);
      assert.equal(count(newer, stored(router)), 0);
    });
  }

  const container = (name: string, more: object = {}): object => ({ name, image, command: ['sh'], ...more });
  const escapes: readonly (readonly [what: string, edit: (pod: Any, agent: Any, haproxy: Any, object: Any) => void])[] =
    [
      ['another image', (_, agent) => (agent.image = 'registry.evil/x')],
      ['another image of HAProxy', (_, __, haproxy) => (haproxy.image = 'registry.evil/x')],
      ['another service account', (pod) => (pod.serviceAccountName = 'admin')],
      ['no service account', (pod) => delete pod.serviceAccountName],
      ['a folder of the node', (pod) => pod.volumes.push({ name: 'host', hostPath: { path: '/' } })],
      ['a token of another audience', (pod) => pod.volumes.push({ name: 'token', projected: { sources: [] } })],
      ['processes of the node', (pod) => (pod.hostPID = true)],
      ['memory of the node', (pod) => (pod.hostIPC = true)],
      ['shared processes', (pod) => (pod.shareProcessNamespace = true)],
      ['a node of its choice', (pod) => (pod.nodeName = 'n1')],
      ['settings of the kernel', (pod) => (pod.securityContext = { sysctls: [{ name: 'a', value: '1' }] })],
      ['names of hosts', (pod) => (pod.hostAliases = [{ ip: '192.0.2.1', hostnames: ['kubernetes.default.svc'] }])],
      ['servers of names', (pod) => (pod.dnsConfig = { nameservers: ['192.0.2.1'] })],
      ['search domains', (pod) => (pod.dnsConfig = { searches: ['attacker.example'] })],
      ['a third container', (pod) => pod.containers.push(container('x'))],
      [
        'a third container that looks like the agent',
        (pod, agent) => pod.containers.push({ ...structuredClone(agent), name: 'x' }),
      ],
      ['an init container', (pod) => (pod.initContainers = [container('x')])],
      [
        'a sidecar',
        (pod, agent) => (pod.initContainers = [{ ...structuredClone(agent), name: 'x', restartPolicy: 'Always' }]),
      ],
      ['another command', (_, agent) => (agent.command = ['sh'])],
      ['no command', (_, agent) => delete agent.command],
      ['the command of HAProxy in the agent', (_, agent) => (agent.command[0] = 'ingress-haproxy')],
      ['another command of HAProxy', (_, __, haproxy) => (haproxy.command = ['haproxy', '-f', '/x'])],
      ['arguments', (_, agent) => (agent.args = ['--x'])],
      ['an option', (_, agent) => agent.command.push('--kubeconfig=/etc/pki/tls/private/config')],
      ['an option of ports of the node', (_, agent) => agent.command.push('--listener-ports=61000-61063')],
      ['a hook at the start', (_, agent) => (agent.lifecycle = { postStart: { exec: { command: ['sh'] } } })],
      ['a hook at the end', (_, __, haproxy) => (haproxy.lifecycle = { preStop: { exec: { command: ['sh'] } } })],
      ...(['livenessProbe', 'readinessProbe', 'startupProbe'] as const).flatMap(
        (probe) =>
          [
            [`a command in ${probe}`, (_: Any, agent: Any) => (agent[probe] = { exec: { command: ['sh'] } })],
            [`a command in ${probe} of HAProxy`, (_: Any, __: Any, haproxy: Any) => (haproxy[probe] = { exec: {} })],
            [`another host in ${probe}`, (_: Any, agent: Any) => (agent[probe].httpGet.host = '169.254.169.254')],
          ] as const,
      ),
      ['a preloaded library', (_, agent) => agent.env.push({ name: 'LD_PRELOAD', value: '/run/egress-router/x' })],
      ['another search path', (_, __, haproxy) => (haproxy.env = [{ name: 'PATH', value: '/etc/pki/tls/private' }])],
      ['options of the runtime', (_, agent) => agent.env.push({ name: 'BUN_OPTIONS', value: '--preload /x' })],
      ['another API server', (_, agent) => agent.env.push({ name: 'KUBERNETES_SERVICE_HOST', value: '192.0.2.1' })],
      ['a kubeconfig', (_, agent) => agent.env.push({ name: 'KUBECONFIG', value: '/etc/pki/tls/private/config' })],
      ['variables of a Secret', (_, agent) => (agent.envFrom = [{ secretRef: { name: 'x' } }])],
      [
        'a variable of a Secret',
        (_, agent) => agent.env.push({ name: 'ROUTER_DOMAIN', valueFrom: { secretKeyRef: { name: 'x', key: 'y' } } }),
      ],
      ['another folder', (_, agent) => (agent.workingDir = '/etc/pki/tls/private')],
      [
        'files over programs of the image',
        (_, agent) => agent.volumeMounts.push({ name: 'stats-auth', mountPath: '/usr/local/bin' }),
      ],
      [
        'a file over a file of the image',
        (_, agent) =>
          agent.volumeMounts.push({
            name: 'stats-auth',
            mountPath: '/etc/pki/tls/client-ca',
            subPath: 'statsUsername',
          }),
      ],
      [
        "files in the folder of HAProxy's configuration",
        (pod, agent) => {
          pod.volumes = pod.volumes.map((one: Any) => (one.name === 'run' ? { name: 'run', configMap: {} } : one));
          assert.ok(agent.volumeMounts.some((one: Any) => one.name === 'run'));
        },
      ],
      [
        "another volume in the folder of HAProxy's configuration",
        (_, __, haproxy) => (haproxy.volumeMounts = [{ name: 'stats-auth', mountPath: '/run/egress-router' }]),
      ],
      ['a device', (_, agent) => (agent.volumeDevices = [{ name: 'run', devicePath: '/dev/x' }])],
      ['privileges', (_, __, haproxy) => (haproxy.securityContext.privileged = true)],
      ['rights that grow', (_, agent) => delete agent.securityContext.allowPrivilegeEscalation],
      ['a writable image', (_, agent) => (agent.securityContext.readOnlyRootFilesystem = false)],
      ['no seccomp profile', (_, agent) => delete agent.securityContext.seccompProfile],
      ['unmasked files of the kernel', (_, agent) => (agent.securityContext.procMount = 'Unmasked')],
      ['a context of SELinux', (_, agent) => (agent.securityContext.seLinuxOptions = { type: 'spc_t' })],
      ['another capability', (_, agent) => agent.securityContext.capabilities.add.push('SYS_ADMIN')],
      [
        'the capability of the agent for HAProxy',
        (_, __, haproxy) => haproxy.securityContext.capabilities.add.push('NET_ADMIN'),
      ],
      ['no label of its owner', (_, __, ___, { metadata }) => delete metadata.labels],
      ['the label of another owner', (_, __, ___, { metadata }) => (metadata.labels[ownerLabel] = 'other')],
      ['another name', (_, __, ___, { metadata }) => (metadata.name = 'x')],
    ];
  for (const [what, edit] of escapes) {
    it(`let the controller create nothing with ${what}, and change nothing to that`, () => {
      for (const [, spec, kind] of routers) {
        const router = makeRouter(spec, kind);
        const { containers } = router.spec.template.spec;
        edit(router.spec.template.spec, containers[0], containers[1], router);
        assert.ok(count(router) > 0, kind);
        assert.ok(count(router, stored(makeRouter(spec, kind))) > 0, kind);
        assert.equal(count(router, null, 'jane'), 0);
      }
    });
  }

  for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    it(`let only a router in the network of its node probe localhost in ${probe}`, () => {
      for (const [, spec, kind] of routers) {
        const router = makeRouter(spec, kind);
        const { hostNetwork = false, containers } = router.spec.template.spec;
        containers[0][probe].httpGet.host = 'localhost';
        assert.equal(count(router) === 0, hostNetwork, kind);
        const newer = makeRouter({ ...spec, tuningOptions: { threadCount: 2 } }, kind);
        newer.spec.template.spec.containers[0][probe].httpGet.host = 'localhost';
        assert.equal(count(newer, stored(makeRouter(spec, kind))) === 0, hostNetwork, kind);
      }
    });
  }

  it('let the controller scale a router to which an administrator has added an init container', () => {
    const router = makeRouter({ replicas: 2 }, 'deployments');
    router.spec.template.spec.initContainers = [container('wait', { image: 'registry.example/wait' })];
    const scaled = structuredClone(router);
    scaled.spec.replicas = 3;
    assert.equal(count(scaled, router), 0);
    // Another image in its place is refused.
    scaled.spec.template.spec.initContainers[0].image = 'registry.evil/x';
    assert.ok(count(scaled, router) > 0);
  });

  it('let the controller delete only pods and definitions of egress routers in the namespace of routers', () => {
    const remove = (resource: string, metadata: object, username = controller): number | undefined =>
      countRefusals('egress-router-controller-deletions', {
        object: null,
        oldObject: { metadata },
        request: { namespace: places.routers, resource: { resource }, userInfo: { username } },
      });
    const labels = { 'app.kubernetes.io/managed-by': 'egress-router-controller' };
    const routerPod = makeRouter({}, 'deployments').spec.template.metadata;
    const ofReplicaSet = { ownerReferences: [{ kind: 'ReplicaSet' }] };
    assert.equal(remove('pods', { labels, ...ofReplicaSet }), 0);
    assert.equal(remove('pods', { ...routerPod, ...ofReplicaSet }), 1);
    assert.equal(remove('pods', { labels: { app: 'web' } }), 2);
    assert.equal(remove('network-attachment-definitions', { labels, ownerReferences: [{ kind: 'EgressRouter' }] }), 0);
    assert.equal(remove('network-attachment-definitions', { labels }), 1);
    assert.equal(remove('network-attachment-definitions', {}), 2);
    // The policy for objects of routers covers Deployments.
    assert.equal(remove('deployments', {}), undefined);
    assert.equal(remove('pods', {}, 'jane'), undefined);
  });

  it('let the controller take over no workload of another owner by its label', () => {
    for (const [, spec, kind] of routers) {
      const router = makeRouter(spec, kind);
      const foreign = stored(router);
      foreign.metadata.labels = { app: 'web' };
      assert.ok(count(router, foreign) > 0);
      foreign.metadata.labels = { [ownerLabel]: 'other', 'app.kubernetes.io/managed-by': 'egress-router-controller' };
      assert.ok(count(router, foreign) > 0);
      delete foreign.metadata.labels;
      assert.ok(count(router, foreign) > 0);
    }
  });

  it('let the controller scale a router to which an administrator has added a container', () => {
    const router = makeRouter({ replicas: 2 }, 'deployments');
    router.spec.template.spec.containers.push(container('sidecar', { image: 'registry.example/sidecar' }));
    const scaled = structuredClone(router);
    scaled.spec.replicas = 3;
    assert.equal(count(scaled, router), 0);
  });

  it('let the controller change and delete only its own objects', () => {
    const refuse = (oldObject: Any, object: Any = null, username = controller): number | undefined =>
      countRefusals('egress-router-controller-router-objects', {
        object: toCel(object),
        oldObject: toCel(oldObject),
        request: { namespace: places.routers, userInfo: { username } },
      });
    const objects = objectsOf({ endpointPublishingStrategy: { type: 'NodePortService' }, ...everything });
    assert.ok(new Set(objects.map(({ of }) => of)).size > 4);
    for (const { body } of objects) assert.equal(refuse(body, body), 0);
    for (const { body } of objects) assert.equal(refuse(body), 0);
    const [{ body }] = objects as [(typeof objects)[0]];
    const foreign = { ...body, metadata: { name: 'x', labels: { app: 'web' } } };
    assert.equal(refuse(foreign), 1);
    assert.equal(refuse(foreign, body), 1);
    assert.equal(refuse({ metadata: { name: 'x' } }), 1);
    assert.equal(refuse(foreign, null, 'jane'), undefined);
  });
});
