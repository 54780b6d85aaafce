import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { generateFiles } from '../../../hack/generate-tool.ts';

/** Texts of our annotations, and of others' that the programs read. */
const annotation = /['"`]((?:egress-router\.io|k8s\.v1\.cni\.cncf\.io|idling\.alpha\.openshift\.io)\/[a-z-]+)['"`]/g;

/** Names that are no annotations: a label of nodes, the controller of GatewayClasses, and a condition of pods. */
const others = new Set(['egress-router.io/ingress', 'egress-router.io/ingress-agent', 'egress-router.io/router-ready']);

function readAll(folder: string, ending: string): readonly string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith(ending));
  return names.map((name) => readFileSync(`${folder}/${name}`, 'utf8'));
}

describe('reference pages', () => {
  const pages = [...generateFiles()].filter(([path]) => path.startsWith('docs/'));

  for (const [path, text] of pages) {
    it(`${path} is what the parsers and tables say`, () => {
      assert.equal(readFileSync(path, 'utf8'), text, `${path} is out of date: run hack/generate`);
    });
  }

  it('docs/annotations.md lists every annotation that sources and admission policies name', () => {
    const page = new Map(pages).get('docs/annotations.md') ?? '';
    const texts = [...readAll('src', '.ts'), ...readAll('manifests/policies', '.yaml')];
    const names = new Set(texts.flatMap((text) => [...text.matchAll(annotation)].map(([, name = '']) => name)));
    assert.ok(names.size >= 9, [...names].join(' '));
    for (const name of names) assert.ok(others.has(name) || page.includes(`\`${name}\``), name);
  });

  it('docs/annotations.md has values from the parsers, for every annotation', () => {
    const page = new Map(pages).get('docs/annotations.md') ?? '';
    const rows = page.split('\n').filter((line) => /^\| `(haproxy\.)?router\./.test(line));
    assert.ok(rows.length > 20);
    for (const row of rows) assert.match(row.split(' | ')[2] ?? '', /\w/, row);
    assert.match(page, /external-tcp-port` \| ports \| a port from 1 to 65535/);
  });

  it('docs/variables.md lists every variable of the image of OpenShift’s router that has no effect, too', () => {
    const page = new Map(pages).get('docs/variables.md') ?? '';
    for (const name of ['ROUTER_SERVICE_HTTP_PORT', 'ROUTE_LABELS', 'TEMPLATE_FILE', 'STATS_PASSWORD']) {
      assert.equal(page.split(`| \`${name}\``).length, 2, name);
    }
  });
});
