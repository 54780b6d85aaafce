import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { type KubeDocument, render } from './rendered.ts';
import { refuseBySecurityConstraints } from './scc.ts';

// biome-ignore lint/suspicious/noExplicitAny: an object of Kubernetes
type Any = any;

describe('SecurityContextConstraints of the OpenShift overlay', function () {
  this.timeout(20_000);
  const objects = render('openshift');
  const constraints = objects.filter(({ kind }) => kind === 'SecurityContextConstraints');
  const workloads = objects.filter(({ kind }) => kind === 'DaemonSet' || kind === 'Deployment');
  const accountOf = ({ metadata, spec }: KubeDocument): string =>
    `system:serviceaccount:${metadata.namespace}:${spec.template.spec.serviceAccountName}`;
  const constraintsOf = (workload: KubeDocument): KubeDocument => {
    const own = constraints.find(({ users }) => (users as readonly string[]).includes(accountOf(workload)));
    assert.ok(own !== undefined, accountOf(workload));
    return own;
  };

  it('name the service account of each workload, and no others', () => {
    assert.ok(workloads.length >= 2);
    assert.deepEqual(
      constraints.flatMap(({ users }) => users as string[]).sort(),
      [...new Set(workloads.map(accountOf))].sort(),
    );
    for (const { groups } of constraints) assert.deepEqual(groups, []);
  });

  for (const workload of workloads) {
    const { name } = workload.metadata;
    const pod = workload.spec.template.spec;
    const scc = constraintsOf(workload);

    it(`admit the pods of ${name}`, () => {
      assert.deepEqual(refuseBySecurityConstraints(pod, scc), []);
    });

    it(`grant ${name} nothing beyond its needs`, () => {
      const flags = ['allowHostDirVolumePlugin', 'allowHostIPC', 'allowHostNetwork', 'allowHostPID', 'allowHostPorts'];
      flags.push('allowPrivilegeEscalation', 'allowPrivilegedContainer');
      const isNeeded = (change: Any): boolean => refuseBySecurityConstraints(pod, { ...scc, ...change }).length > 0;
      for (const flag of flags) if (scc[flag] === true) assert.ok(isNeeded({ [flag]: false }), flag);
      for (const list of ['allowedCapabilities', 'volumes', 'seccompProfiles'] as const) {
        for (const one of scc[list] as readonly string[])
          assert.ok(isNeeded({ [list]: (scc[list] as string[]).filter((other) => other !== one) }), `${list} ${one}`);
      }
      assert.equal(scc.readOnlyRootFilesystem, true);
      assert.notEqual(scc.runAsUser.type, 'RunAsAny');
    });

    const edits: readonly (readonly [what: string, edit: (copy: Any) => void, problem: RegExp])[] = [
      [
        'another capability',
        (copy) => copy.containers[0].securityContext.capabilities.add.push('SYS_MODULE'),
        /SYS_MODULE/,
      ],
      [
        'a privileged container',
        (copy) => Object.assign(copy.containers[0].securityContext, { privileged: true }),
        /privileged/,
      ],
      [
        'a Secret as a volume',
        (copy) => copy.volumes.push({ name: 'x', secret: { secretName: 'x' } }),
        /volume secret/,
      ],
      ['the processes of the node', (copy) => Object.assign(copy, { hostPID: true }), /hostPID/],
      [
        'another user',
        (copy) => Object.assign(copy.containers[0].securityContext, { runAsUser: 4_000_000 }),
        /user 4000000/,
      ],
      ['no seccomp profile', (copy) => delete copy.containers[0].securityContext.seccompProfile, /unconfined/],
      [
        'an image that may be written',
        (copy) => delete copy.containers[0].securityContext.readOnlyRootFilesystem,
        /root file/,
      ],
      [
        'more rights for children',
        (copy) => delete copy.containers[0].securityContext.allowPrivilegeEscalation,
        /escalation/,
      ],
      [
        'an init container as root with all',
        (copy) =>
          Object.assign(copy, { initContainers: [{ securityContext: { capabilities: { add: ['SYS_MODULE'] } } }] }),
        /SYS_MODULE/,
      ],
    ];
    for (const [what, edit, problem] of edits) {
      it(`do not admit ${name} with ${what}`, () => {
        const copy = structuredClone(pod);
        edit(copy);
        assert.match(refuseBySecurityConstraints(copy, scc).join('\n'), problem);
      });
    }
  }
});
