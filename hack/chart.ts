import { readFileSync } from 'node:fs';
import { type Document, isMap, parse, parseAllDocuments, stringify } from 'yaml';

/** Folders of manifests and the value that switches each on. */
const parts = {
  common: 'namespace.create',
  crd: 'crds.egressRouters',
  'route-crd': 'crds.routes',
  'ingress-crd': 'ingress.enabled',
  controller: 'controller.enabled',
  node: 'node.enabled',
  ingress: 'ingress.enabled',
  'ingress-controllers': 'ingressControllers.enabled',
} as const;

/** A field of a workload that a value sets: the value's path, and the field's in the object. */
interface Field {
  readonly value: string;
  readonly path: readonly (string | number)[];
  /** What the value is for, in values.yaml. */
  readonly comment?: string;
}

const podSpec = ['spec', 'template', 'spec'] as const;
const container = (index: number) => [...podSpec, 'containers', index] as const;

/** Fields that are replaced whole, by kind and name of the workload. */
const fields: Readonly<Record<string, readonly Field[]>> = {
  'Deployment egress-router-controller': [
    {
      value: 'controller.replicas',
      path: ['spec', 'replicas'],
      comment: 'One works; the others are ready to take over.',
    },
    { value: 'controller.nodeSelector', path: [...podSpec, 'nodeSelector'] },
    { value: 'controller.tolerations', path: [...podSpec, 'tolerations'] },
    { value: 'controller.resources', path: [...container(0), 'resources'] },
  ],
  'DaemonSet egress-router-node': [
    {
      value: 'node.cniFolder',
      path: [...podSpec, 'volumes', 0, 'hostPath'],
      comment: 'CNI folder of the nodes; k3s: /var/lib/rancher/k3s/data/cni, OpenShift: /var/lib/cni/bin.',
    },
    { value: 'node.nodeSelector', path: [...podSpec, 'nodeSelector'] },
    { value: 'node.tolerations', path: [...podSpec, 'tolerations'] },
    { value: 'node.resources', path: [...container(0), 'resources'] },
  ],
  'DaemonSet ingress-agent': [
    { value: 'ingress.nodeSelector', path: [...podSpec, 'nodeSelector'], comment: 'Nodes that run the agent.' },
    { value: 'ingress.tolerations', path: [...podSpec, 'tolerations'] },
    { value: 'ingress.resources', path: [...container(0), 'resources'] },
    { value: 'ingress.haproxyResources', path: [...container(1), 'resources'] },
    { value: 'ingress.addressesResources', path: [...container(2), 'resources'] },
  ],
};

/** Workloads that take further environment variables, with the value that lists them. */
const environments: Readonly<Record<string, string>> = {
  'Deployment egress-router-controller': 'controller.env',
  'DaemonSet egress-router-node': 'node.env',
  'DaemonSet ingress-agent': 'ingress.env',
};

const notice = '# Made by hack/generate from the folders of manifests: change those.\n';

/** Returns the files of the Helm chart by path. They use only `.Values`, `if`, `toYaml` and `nindent`. Helm is not run. */
export function makeChart(): ReadonlyMap<string, string> {
  const folder = 'manifests/chart';
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
  const values = new Map<string, { readonly value: unknown; readonly comment?: string }>();
  const templates = Object.entries(parts).map(([part, condition]) => {
    const documents = readPart(part).map((document) => fillTemplate(document, values));
    return [`${folder}/templates/${part}.yaml`, wrap(condition, documents)] as const;
  });
  const security = readFileSync('manifests/overlays/openshift/security.yaml', 'utf8');
  return new Map([
    [`${folder}/Chart.yaml`, `${notice}${makeHead(version)}`],
    [`${folder}/values.yaml`, `${notice}${makeValues(version, values)}`],
    ...templates,
    [`${folder}/templates/openshift.yaml`, wrap('openshift', [security.replace(/^#.*\n/, '')])],
  ]);
}

function readPart(part: string): readonly Document[] {
  const { resources } = parse(readFileSync(`manifests/${part}/kustomization.yaml`, 'utf8')) as { resources: string[] };
  return resources.flatMap((file) => {
    const documents = parseAllDocuments(readFileSync(`manifests/${part}/${file}`, 'utf8'));
    return documents.filter((document) => isMap(document.contents)) as Document[];
  });
}

function wrap(condition: string, documents: readonly string[]): string {
  return `${notice}{{- if .Values.${condition} }}\n${documents.map((text) => text.replace(/^---\n|\s*(?:\n---\s*)?$/g, '')).join('\n---\n')}\n{{- end }}\n`;
}

/** Replaces the fields of an object by expressions, and notes their values as defaults. */
function fillTemplate(document: Document, values: Map<string, { value: unknown; comment?: string }>): string {
  const { kind, metadata, spec } = document.toJS() as { kind: string; metadata: { name: string }; spec?: PodOwner };
  const name = `${kind} ${metadata.name}`;
  for (const [index, { image }] of (spec?.template?.spec.containers ?? []).entries()) {
    if (image !== 'egress-router:latest') throw new Error(`${name}: image ${image} is not that of the overlays`);
    document.setIn([...container(index), 'image'], '{{ .Values.image.repository }}:{{ .Values.image.tag }}');
  }
  for (const { value, path, comment } of fields[name] ?? []) {
    const present = document.getIn(path);
    if (present === undefined) throw new Error(`${name} has no ${path.join('.')}`);
    const plain = isMap(present) || typeof present === 'object' ? (present as { toJSON(): unknown }).toJSON() : present;
    values.set(value, { value: plain, ...(comment !== undefined && { comment }) });
    document.setIn(path, `@@${value}@@`);
  }
  let text = document.toString({ lineWidth: 0, flowCollectionPadding: false });
  const environment = environments[name];
  if (environment !== undefined) {
    values.set(environment, { value: [], comment: 'Further environment variables: a list of name and value.' });
    // At the end of the first container's list.
    text = text.replace(/^( *)env:\n(?:\1 .*\n)+/m, (list, indent: string) => {
      const inner = `${indent}  `;
      return `${list}${inner}{{- if .Values.${environment} }}\n${inner}{{- toYaml .Values.${environment} | nindent ${inner.length} }}\n${inner}{{- end }}\n`;
    });
  }
  return text
    .replace(/^( *)(\S+): "?@@([\w.]+)@@"?$/gm, (_line, indent: string, key: string, value: string) =>
      typeof values.get(value)?.value === 'object'
        ? `${indent}${key}:\n${indent}  {{- toYaml .Values.${value} | nindent ${indent.length + 2} }}`
        : `${indent}${key}: {{ .Values.${value} }}`,
    )
    .replace(/^( *)- name: POD_NAME\n/m, (line, indent: string) =>
      name === 'Deployment egress-router-controller' ? `${writeIngressControllers(indent)}${line}` : line,
    )
    .replace(/(- name: CLUSTER_NETWORKS\n +value:) ""/, '$1 "{{ .Values.clusterNetworks }}"');
}

/** Turns on the operator of IngressControllers. */
function writeIngressControllers(indent: string): string {
  const variable = (key: string, value: string) => `${indent}- name: ${key}\n${indent}  value: ${value}\n`;
  return [
    `${indent}{{- if .Values.ingressControllers.enabled }}\n`,
    variable('INGRESS_CONTROLLERS', '"true"'),
    variable('INGRESS_DOMAIN', '"{{ .Values.ingressControllers.domain }}"'),
    `${indent}{{- if .Values.ingressControllers.disableDefault }}\n`,
    variable('DISABLE_DEFAULT_INGRESS_CONTROLLER', '"true"'),
    `${indent}{{- end }}\n`,
    `${indent}{{- end }}\n`,
  ].join('');
}

interface PodOwner {
  readonly template?: { readonly spec: { readonly containers: readonly { readonly image: string }[] } };
}

function makeHead(version: string): string {
  return stringify({
    apiVersion: 'v2',
    name: 'egress-router',
    description: 'Egress routers and an ingress agent for Kubernetes',
    type: 'application',
    version,
    appVersion: version,
    kubeVersion: '>=1.25.0-0',
  });
}

function makeValues(
  version: string,
  values: ReadonlyMap<string, { readonly value: unknown; readonly comment?: string }>,
): string {
  const head = `# Image of all programs, and of the routers' pods.
image:
  repository: registry.example/egress-router
  tag: ${version}

# Pod and Service networks of the cluster, separated by commas, for router pods that reach cluster addresses themselves.
clusterNetworks: ""

# The namespace egress-router-system. With false, create it yourself, with the label
# pod-security.kubernetes.io/enforce=privileged.
namespace:
  create: true

# CRDs are deleted with the release, and with them all their objects. On OpenShift, set both to false.
crds:
  egressRouters: true
  routes: true

# Routers of IngressControllers (operator.openshift.io), with their API and namespaces; not on OpenShift, which has its
# own. domain is that of IngressControllers that name none. With a domain, the controller also creates the
# IngressController "default", unless disableDefault is true.
ingressControllers:
  enabled: false
  domain: ""
  disableDefault: false

# SecurityContextConstraints of OpenShift, where the operator replaces the controller: set controller.enabled to false.
openshift: false
`;
  const sections = ['controller', 'node', 'ingress'].map((section) => {
    const comments: Readonly<Record<string, string>> = {
      controller: 'Creates the routers of EgressRouters.',
      node: 'Installs the plugin on every node, and measures routers.',
      ingress: 'Serves Routes and Gateways on nodes with the label egress-router.io/ingress.',
    };
    const lines = [...values]
      .filter(([path]) => path.startsWith(`${section}.`))
      .map(([path, { value, comment }]) => {
        const text = stringify({ [path.slice(section.length + 1)]: value }).replace(/^(?=.)/gm, '  ');
        return `${comment === undefined ? '' : `  # ${comment}\n`}${text}`;
      });
    return `\n# ${comments[section]}\n${section}:\n  enabled: true\n${lines.join('')}`;
  });
  return `${head}${sections.join('')}`;
}
