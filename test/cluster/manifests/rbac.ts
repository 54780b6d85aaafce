import type { KubeDocument } from './rendered.ts';

/** One thing that may be, or was, asked of the API: `patch apps/deployments`. */
export type Permission = string;

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** What the roles of these names allow, in the cluster or in their namespace. */
export function listPermissions(objects: readonly KubeDocument[], name: string): ReadonlySet<Permission> {
  const roles = objects.filter(({ kind, metadata }) => /^(Cluster)?Role$/.test(kind) && metadata.name === name);
  const rules = roles.flatMap(({ rules: list }) => list as readonly Rule[]);
  return new Set(
    rules.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group === '' ? 'core' : group}/${resource}`)),
      ),
    ),
  );
}

const methods: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };

/** What a request, as the server logged it, needs (Kubernetes, "Authorization Overview"). */
export function permissionOf(line: string): Permission {
  const [method = '', target = ''] = line.split(' ');
  const { pathname, searchParams } = new URL(target, 'http://server');
  const [, group = 'core', rest = ''] = /^\/(?:api|apis\/([^/]+))\/[^/]+\/(.*)$/.exec(pathname) ?? [];
  const words = rest.split('/');
  const [resource = '', name, part] = words[0] === 'namespaces' && words.length > 2 ? words.slice(2) : words;
  const reads = name !== undefined ? 'get' : searchParams.get('watch') === 'true' ? 'watch' : 'list';
  const verb = method === 'GET' ? reads : (methods[method] ?? method);
  return `${verb} ${group}/${resource}${part === undefined ? '' : `/${part}`}`;
}

/** What an agent with HAProxy asks for Ingresses. */
export const ingressPermissions: readonly Permission[] = [
  'get networking.k8s.io/ingresses',
  'list networking.k8s.io/ingresses',
  'watch networking.k8s.io/ingresses',
  'list networking.k8s.io/ingressclasses',
  'watch networking.k8s.io/ingressclasses',
  'patch networking.k8s.io/ingresses/status',
];
