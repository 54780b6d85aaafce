import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { assignMembers } from '../../../src/egress/controller/objects/members.ts';
import { namesOf } from '../../../src/egress/controller/objects/names.ts';
import { makeDefinition, makeDeployment } from '../../../src/egress/controller/objects/objects.ts';
import { readRouter } from '../../../src/egress/controller/objects/router.ts';
import { documentedEgressRouter } from '../../unit/egress/api/samples.ts';
import { toCel } from './admission.ts';
import { countRefusals } from './policy.ts';
import { render } from './rendered.ts';

// biome-ignore lint/suspicious/noExplicitAny: an object of Kubernetes
type Any = any;

const controller = 'system:serviceaccount:egress-router-system:egress-router-controller';
const image = 'registry.example/egress-router:0.1.0';

/** A Deployment and a definition as the controller makes them. */
function makeObjects(avoidedNodes: readonly string[] = []): { readonly deployment: Any; readonly definition: Any } {
  const router = readRouter({ ...documentedEgressRouter, metadata: { namespace: 'shop', name: 'web', uid: 'u' } });
  assert.ok(router?.spec.ok);
  const settings = {
    image,
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
  const template = { configuration: 'c', structure: 's', avoidedNodes };
  const deployment = makeDeployment(router, member, settings, template);
  return structuredClone({ deployment, definition: makeDefinition(router, member, settings) });
}

/** The Deployment as version 0.1.0 made it, with the defaults that an API server adds. */
function withOldTemplate(deployment: Any): Any {
  const old = structuredClone(deployment);
  const { spec, metadata } = old.spec.template;
  delete spec.readinessGates;
  metadata.creationTimestamp = null;
  Object.assign(spec, { dnsPolicy: 'ClusterFirst', restartPolicy: 'Always', schedulerName: 'default-scheduler' });
  Object.assign(spec.containers[0], {
    readinessProbe: {
      exec: {
        command: 'egress-router-pod ready --interface net1 --address 192.168.12.99/24 --gateway 192.168.12.1'.split(
          ' ',
        ),
      },
      periodSeconds: 5,
      timeoutSeconds: 5,
      failureThreshold: 2,
      successThreshold: 1,
    },
    imagePullPolicy: 'IfNotPresent',
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
  });
  return old;
}

describe('admission policies for the controller', () => {
  const { deployment, definition } = makeObjects();
  const own = render('default').find(({ metadata, kind }) => kind === 'Deployment' && /controller/.test(metadata.name));
  const count = (object: Any, oldObject: Any = null, params: Any = own, username = controller): number =>
    ['egress-router-controller-deployments', 'egress-router-controller-image']
      .map((name) =>
        countRefusals(name, {
          object: toCel(object),
          oldObject: oldObject === null ? null : toCel(oldObject),
          params: toCel(params),
          request: { namespace: 'shop', userInfo: { username } },
        }),
      )
      .reduce<number>((sum, one) => sum + (one ?? 0), 0);

  it('let it create and change its objects, and keep additions of others', () => {
    assert.equal(count(deployment), 0);
    assert.equal(count(makeObjects(['n1']).deployment, deployment), 0);
    const added = structuredClone(deployment);
    added.spec.template.spec.volumes = [{ name: 'x', emptyDir: {} }];
    assert.equal(count({ ...added, metadata: { ...added.metadata, annotations: { a: 'b' } } }, added), 0);
  });

  it('let it keep and move a template of version 0.1.0, which has a readiness probe', () => {
    const old = withOldTemplate(deployment);
    assert.equal(count(old), 0);
    const moved = structuredClone(old);
    moved.spec.template.spec.affinity = makeObjects(['n1']).deployment.spec.template.spec.affinity;
    assert.equal(count(moved, old), 0);
    const newer = structuredClone(own) as Any;
    newer.spec.template.spec.containers[0].image = 'registry.example/egress-router:0.2.0';
    assert.equal(count(moved, old, newer), 0);
    assert.equal(count(deployment, old), 0);
    const [container] = moved.spec.template.spec.containers;
    container.readinessProbe.exec.command = ['egress-router-pod', 'run'];
    assert.ok(count(moved, old) > 0);
  });

  const edits: readonly (readonly [what: string, edit: (pod: Any, container: Any, object: Any) => void])[] = [
    ['another image', (_, container) => Object.assign(container, { image: 'registry.evil/egress-router:0.1.0' })],
    ['another command', (_, container) => Object.assign(container, { command: ['sh', '-c', 'id'] })],
    ['arguments', (_, container) => Object.assign(container, { args: ['x'] })],
    [
      'a probe of its own',
      (_, container) => Object.assign(container, { readinessProbe: { exec: { command: ['sh'] } } }),
    ],
    ['a liveness probe', (_, container) => Object.assign(container, { livenessProbe: { exec: { command: ['sh'] } } })],
    ['a hook', (_, container) => Object.assign(container, { lifecycle: { preStop: { exec: { command: ['sh'] } } } })],
    ['variables of a Secret', (_, container) => Object.assign(container, { envFrom: [{ secretRef: { name: 'x' } }] })],
    ['a variable', (_, container) => Object.assign(container, { env: [{ name: 'LD_PRELOAD', value: '/x' }] })],
    ['a privileged container', (_, { securityContext }) => Object.assign(securityContext, { privileged: true })],
    ['a capability', (_, { securityContext }) => Object.assign(securityContext.capabilities, { add: ['SYS_ADMIN'] })],
    ['capabilities that are not dropped', (_, { securityContext }) => delete securityContext.capabilities],
    ['rights that grow', (_, { securityContext }) => delete securityContext.allowPrivilegeEscalation],
    ['root', (_, { securityContext }) => Object.assign(securityContext, { runAsUser: 0 })],
    ['root of the pod', ({ securityContext }) => Object.assign(securityContext, { runAsUser: 0 })],
    ['no seccomp profile', ({ securityContext }) => delete securityContext.seccompProfile],
    ['no security context', (pod) => delete pod.securityContext],
    ['another container', ({ containers }) => containers.push(structuredClone(containers[0]))],
    ['an init container', (pod) => Object.assign(pod, { initContainers: [structuredClone(pod.containers[0])] })],
    ['a folder of the node', (pod) => Object.assign(pod, { volumes: [{ name: 'x', hostPath: { path: '/' } }] })],
    ['a Secret', (pod) => Object.assign(pod, { volumes: [{ name: 'x', secret: { secretName: 'x' } }] })],
    ['the network of the node', (pod) => Object.assign(pod, { hostNetwork: true })],
    ['the processes of the node', (pod) => Object.assign(pod, { hostPID: true })],
    ['a service account', (pod) => Object.assign(pod, { serviceAccountName: 'admin' })],
    ['a token', (pod) => Object.assign(pod, { automountServiceAccountToken: true })],
    ['a token by default', (pod) => delete pod.automountServiceAccountToken],
    ['a node', (pod) => Object.assign(pod, { nodeName: 'control-plane' })],
    ['no owner', (_, __, { metadata }) => delete metadata.ownerReferences],
    ['another owner', (_, __, { metadata }) => Object.assign(metadata.ownerReferences[0], { kind: 'Node' })],
    [
      'an owner of another group',
      (_, __, { metadata }) => Object.assign(metadata.ownerReferences[0], { apiVersion: 'v1' }),
    ],
  ];
  for (const [what, edit] of edits) {
    it(`let it create no Deployment with ${what}, and change none to that`, () => {
      const copy = structuredClone(deployment);
      edit(copy.spec.template.spec, copy.spec.template.spec.containers[0], copy);
      assert.ok(count(copy) > 0);
      assert.ok(count(copy, deployment) > 0);
      assert.equal(count(copy, null, own, 'jane'), 0);
    });
  }

  it('let it change no Deployment of other owners', () => {
    const foreign = structuredClone(deployment);
    delete foreign.metadata.ownerReferences;
    assert.ok(count(deployment, foreign) > 0);
  });

  it('let it use the image in its option, and keep an existing one', () => {
    const other = structuredClone(own) as Any;
    other.spec.template.spec.containers[0].image = 'registry.example/egress-router:0.2.0';
    assert.ok(count(deployment, null, other) > 0);
    assert.equal(count(deployment, deployment, other), 0);
    other.spec.template.spec.containers[0].args = ['--lease-duration=5s', `--image=${image}`];
    assert.equal(count(deployment, null, other), 0);
    other.spec.template.spec.containers[0].args = [];
    other.spec.template.spec.containers[0].env.push({ name: 'ROUTER_IMAGE', value: image });
    assert.equal(count(deployment, null, other), 0);
  });

  it('let it delete only objects that an EgressRouter owns and pods of routers', () => {
    const remove = (resource: string, oldObject: Any): number | undefined =>
      countRefusals('egress-router-controller-deletions', {
        object: null,
        oldObject,
        request: { namespace: 'shop', resource: { resource }, userInfo: { username: controller } },
      });
    assert.equal(remove('deployments', deployment), 0);
    assert.equal(remove('network-attachment-definitions', definition), 0);
    const labels = deployment.spec.template.metadata.labels;
    const pod = { metadata: { labels, ownerReferences: [{ kind: 'ReplicaSet' }] } };
    assert.equal(remove('pods', pod), 0);
    assert.equal(remove('pods', { metadata: { ...pod.metadata, labels: { app: 'etcd' } } }), 1);
    assert.equal(remove('pods', { metadata: { labels } }), 1);
    assert.equal(remove('deployments', { metadata: { labels } }), 1);
    assert.equal(remove('deployments', { metadata: {} }), 2);
  });
});
