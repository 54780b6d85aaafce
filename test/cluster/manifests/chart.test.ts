import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { parse } from 'yaml';
import { renderChart, renderTemplate } from './helm.ts';
import { type KubeDocument, overlays, render } from './rendered.ts';
import { findMistakes, hasSchema } from './strict.ts';

/** Values that make the chart an overlay. */
const changes: Readonly<Record<(typeof overlays)[number], Readonly<Record<string, unknown>>>> = {
  default: {},
  egress: { crds: { routes: false }, ingress: { enabled: false } },
  ingress: { crds: { egressRouters: false }, controller: { enabled: false }, node: { enabled: false } },
  'ingress-controllers': {
    ingressControllers: { enabled: true },
    ingress: { enabled: false },
    node: { enabled: false },
  },
  k3s: { node: { cniFolder: { path: '/var/lib/rancher/k3s/data/cni', type: 'Directory' } } },
  openshift: {
    openshift: true,
    crds: { egressRouters: false, routes: false },
    controller: { enabled: false },
    node: { cniFolder: { path: '/var/lib/cni/bin', type: 'Directory' } },
  },
};

/** The roles of IngressControllers have one name in several namespaces. */
function nameOf({ kind, metadata: { namespace = '', name } }: KubeDocument): string {
  const isMain = namespace === '' || namespace === 'egress-router-system';
  return `${kind} ${isMain ? '' : `${namespace}/`}${name}`;
}

function byName(objects: readonly KubeDocument[]): ReadonlyMap<string, KubeDocument> {
  return new Map(objects.map((object) => [nameOf(object), object]));
}

function find(objects: readonly KubeDocument[], name: string): KubeDocument {
  const found = byName(objects).get(name);
  assert.ok(found, name);
  return found;
}

describe('the Helm chart, rendered by these tests (Helm itself is not run)', function () {
  this.timeout(60_000);

  for (const overlay of overlays) {
    it(`has the objects of the overlay ${overlay}`, () => {
      const [chart, kustomize] = [byName(renderChart(changes[overlay])), byName(render(overlay))];
      assert.deepEqual([...chart.keys()].sort(), [...kustomize.keys()].sort());
      for (const [name, object] of kustomize) assert.deepEqual(chart.get(name), object, name);
    });
  }

  it('takes image, networks, selectors, tolerations, resources and variables from values', async () => {
    const place = {
      nodeSelector: { zone: 'a', 'example.com/odd': 'true' },
      tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'edge: "1"', effect: 'NoSchedule' }],
      resources: { limits: { memory: '1Gi' } },
      env: [
        { name: 'LOG_FORMAT', value: 'json' },
        { name: 'FROM', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } },
      ],
    };
    const objects = renderChart({
      image: { repository: 'registry.internal:5000/er', tag: '1.2.3' },
      clusterNetworks: '10.128.0.0/14,172.30.0.0/16',
      controller: { ...place, replicas: 3 },
      node: place,
      ingress: { ...place, haproxyResources: { limits: { memory: '4Gi' } } },
    });
    const names = ['Deployment egress-router-controller', 'DaemonSet egress-router-node', 'DaemonSet ingress-agent'];
    for (const name of names) {
      const workload = find(objects, name);
      if (hasSchema(workload)) assert.deepEqual(await findMistakes(workload), [], name);
      const { nodeSelector, tolerations, containers } = workload.spec.template.spec;
      const [{ image, resources, env }] = containers;
      assert.equal(image, 'registry.internal:5000/er:1.2.3');
      for (const [key, value] of Object.entries(place.nodeSelector)) assert.equal(nodeSelector[key], value);
      assert.deepEqual(tolerations, place.tolerations);
      assert.equal(resources.limits.memory, '1Gi');
      assert.deepEqual(env.slice(-2), place.env);
    }
    const { spec } = find(objects, 'Deployment egress-router-controller');
    assert.equal(spec.replicas, 3);
    const networks = spec.template.spec.containers[0].env.find(
      ({ name }: { name: string }) => name === 'CLUSTER_NETWORKS',
    );
    assert.equal(networks.value, '10.128.0.0/14,172.30.0.0/16');
    const [, haproxy] = find(objects, 'DaemonSet ingress-agent').spec.template.spec.containers;
    assert.equal(haproxy.resources.limits.memory, '4Gi');
  });

  it('renders empty selectors, tolerations and resources', () => {
    const none = { nodeSelector: null, tolerations: [], resources: null };
    const workload = find(renderChart({ controller: none }), 'Deployment egress-router-controller');
    assert.deepEqual(workload.spec.template.spec.tolerations, []);
    assert.equal(workload.spec.template.spec.nodeSelector, null);
  });

  it('leaves the namespace out where it exists', () => {
    const kinds = renderChart({ namespace: { create: false } }).map(({ kind }) => kind);
    assert.ok(!kinds.includes('Namespace'));
  });

  it('has a head that Helm accepts, and the version of the programs', () => {
    const head = parse(readFileSync('manifests/chart/Chart.yaml', 'utf8'));
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    assert.deepEqual(
      [head.apiVersion, head.name, head.version, head.appVersion],
      ['v2', 'egress-router', version, version],
    );
    assert.deepEqual(readdirSync('manifests/chart').sort(), ['Chart.yaml', 'templates', 'values.yaml']);
  });

  const wrong: Readonly<Record<string, RegExp>> = {
    '{{ .Values.none }}': /no value/,
    '{{ .Release.Name }}': /no value|language/,
    '{{ quote .Values.a }}': /language/,
    '{{ .Values.a | upper }}': /language/,
    '{{ .Values.map }}': /use toYaml/,
    '{{ if .Values.a }}': /no "end"/,
    '{{ end }}': /without/,
    '{{.Values.a}}': /Unreadable/,
  };
  for (const [template, error] of Object.entries(wrong)) {
    it(`is in a language without ${template}`, () => {
      assert.throws(() => renderTemplate(template, { a: 'x', map: {} }), error);
    });
  }

  it('is in a language whose white space, conditions and loops are those of Helm', () => {
    const template = [
      'a:',
      '  {{- toYaml .Values.map | nindent 2 }}',
      '{{- if .Values.empty }}',
      'no: 1',
      '{{- else }}',
      'yes: {{ .Values.number }}',
      '{{- end }}',
      'list:',
      '{{- range .Values.list }}',
      '- {{ .name }}',
      '{{- end }}',
      '{{- range .Values.empty }}',
      '- {{ .name }}',
      '{{- end }}',
      '',
    ].join('\n');
    const values = { map: { x: { y: '1' } }, empty: [], number: 2, list: [{ name: 'b' }, { name: 'c' }] };
    assert.equal(renderTemplate(template, values), 'a:\n  x:\n    y: "1"\nyes: 2\nlist:\n- b\n- c\n');
  });
});
