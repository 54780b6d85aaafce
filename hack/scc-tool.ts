import { readFileSync } from 'node:fs';
import { parseAllDocuments, stringify } from 'yaml';

/** The parts of a container that OpenShift's admission checks. */
interface Container {
  readonly ports?: readonly { readonly containerPort: number; readonly hostPort?: number }[];
  readonly securityContext?: SecurityContext;
}

interface SecurityContext {
  readonly privileged?: boolean;
  readonly allowPrivilegeEscalation?: boolean;
  readonly readOnlyRootFilesystem?: boolean;
  readonly runAsUser?: number;
  readonly runAsNonRoot?: boolean;
  readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
  readonly seccompProfile?: { readonly type: string; readonly localhostProfile?: string };
}

/** The parts of a pod's specification that OpenShift's admission checks. */
interface PodSpec {
  readonly serviceAccountName: string;
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly securityContext?: SecurityContext;
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Readonly<Record<string, unknown>>[];
}

interface Workload {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: { readonly template: { readonly spec: PodSpec } };
}

/** Workloads of the OpenShift overlay. */
const workloads = ['manifests/node/daemonset.yaml', 'manifests/ingress/daemonset.yaml'];

/**
 * Renders the SecurityContextConstraints of the OpenShift overlay: one per workload, which lets its service account
 * run exactly what its pod template requests.
 */
export function makeSecurityConstraints(): string {
  const objects = workloads
    .flatMap((path) => parseAllDocuments(readFileSync(path, 'utf8')).map((document) => document.toJS() as Workload))
    .filter(({ kind }) => kind === 'DaemonSet' || kind === 'Deployment')
    .map(describeConstraints);
  return objects.map((object) => stringify(object, { lineWidth: 120, aliasDuplicateObjects: false })).join('---\n');
}

function describeConstraints({ metadata, spec }: Workload): object {
  const pod = spec.template.spec;
  const containers = [...(pod.initContainers ?? []), ...pod.containers];
  const contexts = containers.map(({ securityContext }) => ({ ...pod.securityContext, ...securityContext }));
  const kinds = (pod.volumes ?? []).flatMap((volume) => Object.keys(volume).filter((key) => key !== 'name'));
  const added = contexts.flatMap(({ capabilities }) => capabilities?.add ?? []);
  const dropsAll = contexts.every(({ capabilities }) => capabilities?.drop?.includes('ALL') === true);
  return {
    apiVersion: 'security.openshift.io/v1',
    kind: 'SecurityContextConstraints',
    metadata: { name: metadata.name },
    allowHostDirVolumePlugin: kinds.includes('hostPath'),
    allowHostIPC: pod.hostIPC === true,
    allowHostNetwork: pod.hostNetwork === true,
    allowHostPID: pod.hostPID === true,
    // With hostNetwork every port of a container is a port of the host.
    allowHostPorts: containers.some(({ ports = [] }) =>
      ports.some(({ hostPort }) => hostPort !== undefined || pod.hostNetwork === true),
    ),
    allowPrivilegeEscalation: contexts.some(({ allowPrivilegeEscalation }) => allowPrivilegeEscalation !== false),
    allowPrivilegedContainer: contexts.some(({ privileged }) => privileged === true),
    allowedCapabilities: unique(added),
    defaultAddCapabilities: [],
    requiredDropCapabilities: dropsAll ? ['ALL'] : [],
    readOnlyRootFilesystem: contexts.every(({ readOnlyRootFilesystem }) => readOnlyRootFilesystem === true),
    fsGroup: { type: 'RunAsAny' },
    runAsUser: describeUsers(contexts),
    // Files in a node's folders have an SELinux label that only this domain may write.
    seLinuxContext: kinds.includes('hostPath')
      ? { type: 'MustRunAs', seLinuxOptions: { type: 'spc_t' } }
      : { type: 'MustRunAs' },
    seccompProfiles: unique(contexts.map(({ seccompProfile }) => nameSeccompProfile(seccompProfile))),
    supplementalGroups: { type: 'RunAsAny' },
    // The API server adds the service account token as a projected volume.
    volumes: unique([...kinds, 'projected']),
    users: [`system:serviceaccount:${metadata.namespace}:${pod.serviceAccountName}`],
    groups: [],
  };
}

/**
 * Returns the allowed users: those that all containers name; any except root if one names none and must not be root;
 * otherwise any.
 */
function describeUsers(contexts: readonly SecurityContext[]): object {
  const users = contexts.map(({ runAsUser }) => runAsUser);
  const known = users.filter((user) => user !== undefined);
  if (known.length < users.length) {
    const isNeverRoot = contexts.every(({ runAsNonRoot, runAsUser = 0 }) => runAsNonRoot === true || runAsUser > 0);
    return { type: isNeverRoot ? 'MustRunAsNonRoot' : 'RunAsAny' };
  }
  const [least, most] = [Math.min(...known), Math.max(...known)];
  if (least === most) return { type: 'MustRunAs', uid: least };
  return { type: 'MustRunAsRange', uidRangeMin: least, uidRangeMax: most };
}

/** Returns the name of a seccomp profile in SecurityContextConstraints. */
function nameSeccompProfile(profile: SecurityContext['seccompProfile']): string {
  switch (profile?.type) {
    case 'RuntimeDefault':
      return 'runtime/default';
    case 'Localhost':
      return `localhost/${profile.localhostProfile ?? ''}`;
    default:
      return 'unconfined';
  }
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort();
}
