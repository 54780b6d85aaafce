import type { KubeDocument } from './rendered.ts';

// biome-ignore lint/suspicious/noExplicitAny: an object of Kubernetes
type Any = any;

/**
 * What OpenShift's admission would say against a pod under SecurityContextConstraints; empty where it takes it (OpenShift,
 * "Managing security context constraints"; openshift/apiserver-library-go, `pkg/securitycontextconstraints/sccmatching`).
 * `pod` is a pod template, to which the API server adds the token of its service account.
 */
export function refuseBySecurityConstraints(pod: KubeDocument['spec'], scc: KubeDocument): readonly string[] {
  const problems: string[] = [];
  const check = (isRight: boolean, problem: string): void => {
    if (!isRight) problems.push(problem);
  };
  for (const [field, allowed] of [
    ['hostNetwork', scc.allowHostNetwork],
    ['hostPID', scc.allowHostPID],
    ['hostIPC', scc.allowHostIPC],
  ] as const)
    check(pod[field] !== true || allowed === true, `${field} is not allowed`);
  const allowedVolumes: readonly string[] = scc.volumes ?? [];
  for (const kind of [...(pod.volumes ?? []).map(kindOfVolume), 'projected']) {
    const isAllowed = allowedVolumes.includes('*') || allowedVolumes.includes(kind);
    check(isAllowed, `volume ${kind} is not allowed`);
    check(kind !== 'hostPath' || scc.allowHostDirVolumePlugin === true, 'volume hostPath is not allowed');
  }
  for (const container of [...(pod.initContainers ?? []), ...pod.containers]) {
    const context = { ...pod.securityContext, ...container.securityContext };
    problems.push(...refuseContainer(container, context, pod.hostNetwork === true, scc));
  }
  return [...new Set(problems)];
}

function refuseContainer(container: Any, context: Any, isOnHost: boolean, scc: KubeDocument): string[] {
  const problems: string[] = [];
  const check = (isRight: boolean, problem: string): void => {
    if (!isRight) problems.push(problem);
  };
  check(context.privileged !== true || scc.allowPrivilegedContainer === true, 'privileged is not allowed');
  check(
    context.allowPrivilegeEscalation === false || scc.allowPrivilegeEscalation !== false,
    'escalation is not allowed',
  );
  // The API server defaults the host's port to the container's on the host's network.
  for (const { hostPort = 0, containerPort } of container.ports ?? [])
    check((hostPort === 0 && !isOnHost) || scc.allowHostPorts === true, `host port ${containerPort} is not allowed`);
  const { add = [], drop = [] } = context.capabilities ?? {};
  const allowed = new Set<string>([...(scc.allowedCapabilities ?? []), ...(scc.defaultAddCapabilities ?? [])]);
  for (const one of add) check(allowed.has('*') || allowed.has(one), `capability ${one} is not allowed`);
  for (const one of scc.requiredDropCapabilities ?? []) {
    check(!add.includes(one), `capability ${one} must be dropped`);
    // What a container drops besides is completed by the admission; only a list that contradicts it is refused.
    check(drop.length === 0 || drop.includes(one) || drop.includes('ALL'), `capability ${one} must be dropped`);
  }
  check(context.readOnlyRootFilesystem === true || scc.readOnlyRootFilesystem !== true, 'root file system is writable');
  check(isAllowedUser(context, scc.runAsUser), `user ${context.runAsUser} is not allowed`);
  const profile = nameProfile(context.seccompProfile);
  const profiles: readonly string[] = scc.seccompProfiles ?? [];
  check(profiles.includes('*') || profiles.includes(profile), `seccomp profile ${profile} is not allowed`);
  const wanted = context.seLinuxOptions?.type;
  const isSeLinuxRight = scc.seLinuxContext.type === 'RunAsAny' || wanted === undefined;
  check(isSeLinuxRight || wanted === scc.seLinuxContext.seLinuxOptions?.type, `SELinux type ${wanted} is not allowed`);
  return problems;
}

function kindOfVolume(volume: Readonly<Record<string, unknown>>): string {
  return Object.keys(volume).find((key) => key !== 'name') ?? 'emptyDir';
}

/** A user that is not set is set by the admission, where the strategy knows one. */
function isAllowedUser({ runAsUser, runAsNonRoot }: Any, strategy: Any): boolean {
  switch (strategy.type) {
    case 'RunAsAny':
      return true;
    case 'MustRunAs':
      return runAsUser === undefined || runAsUser === strategy.uid;
    case 'MustRunAsNonRoot':
      return runAsUser === undefined ? runAsNonRoot === true : runAsUser !== 0;
    default:
      return runAsUser === undefined || (runAsUser >= strategy.uidRangeMin && runAsUser <= strategy.uidRangeMax);
  }
}

function nameProfile(profile: { type?: string; localhostProfile?: string } | undefined): string {
  if (profile?.type === 'RuntimeDefault') return 'runtime/default';
  return profile?.type === 'Localhost' ? `localhost/${profile.localhostProfile}` : 'unconfined';
}
