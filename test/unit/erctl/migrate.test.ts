import assert from 'node:assert/strict';
import { stringify } from 'yaml';
import { judgeFiles } from '../../../src/erctl/commands/migrate.ts';
import type { MigrateOrigin } from '../../../src/erctl/migrate/migrate-document.ts';
import { renderMigration } from '../../../src/erctl/screens/migrate.ts';
import { route, service } from '../../netns/ingress/http/objects.ts';
import { ingress } from '../../netns/ingress/k8s-ingress/objects.ts';

/** Returns each object with its verdict, and the outcomes that are not `works`. */
function judge(origin: MigrateOrigin, ...objects: readonly object[]): readonly string[] {
  const file = { apiVersion: 'v1', kind: 'List', items: objects };
  const { objects: judged } = judgeFiles(origin, [['file.yaml', stringify(file)]], 'egress-router');
  return judged.map(({ title, verdict, findings }) => {
    const shown = findings.filter(({ outcome }) => outcome !== 'works');
    return [`${title}: ${verdict}`, ...shown.map(({ subject, outcome }) => `${outcome} ${subject}`)].join(', ');
  });
}

const nginx = { className: 'nginx' } as const;
const prefix = 'nginx.ingress.kubernetes.io/';

describe('erctl migrate', () => {
  it('judges Ingresses of ingress-nginx one by one', () => {
    const paths = { 'a.test': { '/': 'web' } };
    assert.deepEqual(
      judge(
        'ingress-nginx',
        ingress('own', { 'own.test': { '/': 'web' } }),
        ingress('plain', paths, nginx),
        ingress('guarded', { 'b.test': { '/': 'web' } }, { ...nginx, annotations: { 'auth-url': 'http://x' } }),
        ingress('mirrored', { 'c.test': { '/': 'web' } }, { ...nginx, annotations: { 'mirror-target': '/x' } }),
        ingress('twin', paths, { ...nginx, age: 9, namespace: 'bank' }),
        ingress('pattern', { 'd.test': { '~/[a-z]+/x': 'web' } }, { annotations: { [`${prefix}use-regex`]: 'true' } }),
        { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' } },
      ),
      [
        'Ingress shop/own: works',
        'Ingress shop/plain: differs, differs spec.ingressClassName',
        `Ingress shop/guarded: refused, differs spec.ingressClassName, closed ${prefix}auth-url`,
        `Ingress shop/mirrored: partly, differs spec.ingressClassName, refused ${prefix}mirror-target`,
        'Ingress bank/twin: refused, differs spec.ingressClassName, closed spec',
        // No path is left.
        'Ingress shop/pattern: refused, refused spec.rules[0].http.paths[0].path',
        'ConfigMap x: skipped',
      ],
    );
  });

  it('reads old API versions, lists and Services', () => {
    const old = {
      apiVersion: 'extensions/v1beta1',
      kind: 'Ingress',
      metadata: { name: 'old', namespace: 'shop', annotations: { 'kubernetes.io/ingress.class': 'nginx' } },
      spec: {
        rules: [{ host: 'a.test', http: { paths: [{ path: '/', backend: { serviceName: 'web', servicePort: 80 } }] } }],
      },
    };
    const [external] = service('web', []) as readonly { spec: object }[];
    assert.deepEqual(
      judge('ingress-nginx', old, { ...external, spec: { type: 'ExternalName', externalName: 'x.example' } }),
      [
        'Ingress shop/old: partly, differs apiVersion, differs kubernetes.io/ingress.class, refused spec: Service web',
        'Service shop/web: skipped',
      ],
    );
  });

  it('names the equivalents of annotations of HAProxy’s controllers', () => {
    const annotations = {
      'haproxy.org/allow-list': '10.0.0.0/8',
      'haproxy.org/server-ssl': 'true',
      'haproxy-ingress.github.io/timeout-server': '2m',
      'haproxy-ingress.github.io/rewrite-target': '/x',
      'haproxy-ingress.github.io/auth-url': 'http://x',
      'haproxy.org/check': 'true',
    };
    const file = stringify(ingress('a', { 'a.test': { '/': 'web' } }, { annotations }));
    const [object] = judgeFiles('haproxy-ingress', [['a.yaml', file]], 'egress-router').objects;
    const shown = object?.findings.map(({ subject, outcome, suggestion }) => [
      subject.split('/')[1],
      outcome,
      suggestion,
    ]);
    assert.deepEqual(shown, [
      [
        'rewrite-target',
        'refused',
        'write the path as PREFIX(/|$)(.*), pathType ImplementationSpecific, and rewrite-target as NEW/$2',
      ],
      ['allow-list', 'differs', `write ${prefix}whitelist-source-range: "10.0.0.0/8"`],
      ['server-ssl', 'differs', `write ${prefix}backend-protocol: "HTTPS"`],
      ['timeout-server', 'differs', `write ${prefix}proxy-read-timeout: "120"`],
      ['auth-url', 'closed', `write ${prefix}auth-url: "http://x"`],
      ['check', 'ignored', 'remove it'],
    ]);
  });

  it('judges Routes of OpenShift', () => {
    assert.deepEqual(
      judge(
        'openshift',
        route('good', 'a.test'),
        route('warned', 'b.test', { annotations: { timeout: 'soon', 'no-such': 'x' } }),
        route('bad', 'c.test', { spec: { tls: { termination: 'edge', certificate: 'no PEM' } } }),
        route('invalid', 'd.test', { spec: { path: 'x' } }),
        route('rival', 'a.test', { namespace: 'bank', age: 9 }),
      ),
      [
        'Route shop/good: works',
        'Route shop/warned: differs, differs metadata.annotations[haproxy.router.openshift.io/timeout], ignored metadata.annotations[haproxy.router.openshift.io/no-such]',
        'Route shop/bad: refused, closed spec.tls',
        'Route shop/invalid: refused, closed spec',
        'Route bank/rival: refused, closed spec',
      ],
    );
  });

  it('reports what is not YAML, and escapes what it shows', () => {
    const evil = ingress('a', { 'a.test': { '/': 'web' } }, { annotations: { 'no-such\u001b[2J': 'x' } });
    const document = judgeFiles(
      'ingress-nginx',
      [
        ['bad.yaml', 'a: [1'],
        ['evil.json', JSON.stringify(evil)],
      ],
      'nginx',
    );
    assert.deepEqual(document.objects.map(({ verdict }) => verdict).sort(), ['differs', 'invalid']);
    const text = renderMigration(document, { colour: false });
    assert.ok(!text.includes('\u001b'), JSON.stringify(text));
    assert.match(
      text,
      /bad\.yaml: document: cannot be read\n {2}refused {2}line 1: \(document\): must be YAML or JSON/,
    );
    assert.match(text, /2 objects: 1 work, 0 lack functions, 1 are not served\.\n$/);
  });
});
