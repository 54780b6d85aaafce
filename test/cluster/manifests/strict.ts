import type { KubeDocument } from './rendered.ts';

/** Names of Kubernetes' published schemas of each kind, as `kubernetes-models` carries them. */
const schemas: Readonly<Record<string, string>> = {
  'v1 Namespace': 'IoK8sApiCoreV1Namespace',
  'v1 ServiceAccount': 'IoK8sApiCoreV1ServiceAccount',
  'v1 Secret': 'IoK8sApiCoreV1Secret',
  'v1 Service': 'IoK8sApiCoreV1Service',
  'apps/v1 Deployment': 'IoK8sApiAppsV1Deployment',
  'apps/v1 DaemonSet': 'IoK8sApiAppsV1DaemonSet',
  'policy/v1 PodDisruptionBudget': 'IoK8sApiPolicyV1PodDisruptionBudget',
  'rbac.authorization.k8s.io/v1 ClusterRole': 'IoK8sApiRbacV1ClusterRole',
  'rbac.authorization.k8s.io/v1 ClusterRoleBinding': 'IoK8sApiRbacV1ClusterRoleBinding',
  'rbac.authorization.k8s.io/v1 Role': 'IoK8sApiRbacV1Role',
  'rbac.authorization.k8s.io/v1 RoleBinding': 'IoK8sApiRbacV1RoleBinding',
  'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy':
    'IoK8sApiAdmissionregistrationV1ValidatingAdmissionPolicy',
  'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding':
    'IoK8sApiAdmissionregistrationV1ValidatingAdmissionPolicyBinding',
  'apiextensions.k8s.io/v1 CustomResourceDefinition':
    'IoK8sApiextensionsApiserverPkgApisApiextensionsV1CustomResourceDefinition',
};

interface Validate {
  (data: unknown): boolean;
  readonly errors?: readonly { readonly instancePath: string; readonly keyword: string; readonly params: unknown }[];
}

/** Whether Kubernetes publishes a schema of the object's kind. */
export function hasSchema({ apiVersion, kind }: KubeDocument): boolean {
  return Object.hasOwn(schemas, `${apiVersion} ${kind}`);
}

/**
 * What is wrong with an object by Kubernetes' own schema, unknown fields included: the schemas allow
 * those, so it is watched which fields the check looks at; one that it never asked for is unknown.
 */
export async function findMistakes(object: KubeDocument): Promise<readonly string[]> {
  const { apiVersion, kind } = object;
  const name = schemas[`${apiVersion} ${kind}`];
  if (name === undefined) return [`there is no schema of ${apiVersion} ${kind}`];
  // Its models copy what they are given; the checks themselves are files beside them.
  const place = new URL(`../_schemas/${name}.mjs`, import.meta.resolve('kubernetes-models/v1/Namespace'));
  const { validate } = (await import(place.href)) as { readonly validate: Validate };
  const seen = new Map<object, Set<string>>();
  if (!validate(watch(object, seen))) {
    return (validate.errors ?? []).map(
      ({ instancePath, keyword, params }) => `${instancePath}: ${keyword} ${JSON.stringify(params)}`,
    );
  }
  return listUnseen(object, seen, '');
}

function watch<T>(value: T, seen: Map<object, Set<string>>): T {
  if (typeof value !== 'object' || value === null) return value;
  const keys = new Set<string>();
  seen.set(value, keys);
  const children = new Map<PropertyKey, unknown>();
  return new Proxy(value, {
    get(target, key) {
      if (typeof key === 'string') keys.add(key);
      if (!children.has(key)) children.set(key, watch(Reflect.get(target, key), seen));
      return children.get(key);
    },
  });
}

function listUnseen(value: unknown, seen: ReadonlyMap<object, ReadonlySet<string>>, path: string): string[] {
  // The schema within a CustomResourceDefinition is checked by a compiler of schemas.
  if (typeof value !== 'object' || value === null || path.endsWith('.openAPIV3Schema')) return [];
  const keys = seen.get(value);
  // Of a part that is free (a map of labels) the check may ask for nothing within.
  return Object.entries(value).flatMap(([key, child]) =>
    keys?.has(key) === true ? listUnseen(child, seen, `${path}.${key}`) : [`${path}.${key}: unknown field`],
  );
}
