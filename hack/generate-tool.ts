import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import type { OptionTable } from '../src/base/daemon/table.ts';
import { makeEgressRouterDefinition } from '../src/egress/api/crd/egress-router.ts';
import { optionTable as controllerOptions } from '../src/egress/controller/option-table.ts';
import { nodeOptionTable as nodeOptions } from '../src/egress/node/node-options.ts';
import { optionTable as installOptions } from '../src/egress/node/options.ts';
import { optionTable as agentOptions } from '../src/ingress/agent/option-table.ts';
import { httpOptionTable as httpOptions } from '../src/ingress/http/option-table.ts';
import { makeRouteDefinition } from '../src/ingress/route/crd.ts';
import { makeAnnotationsPage } from './annotations-page.ts';
import { makeSecurityConstraints } from './scc-tool.ts';
import { makeVariablesPage } from './variables-page.ts';

/** Every generated file, by its path in the repository. */
export function generateFiles(): ReadonlyMap<string, string> {
  const write = (definition: object) => stringify(definition, { lineWidth: 120, aliasDuplicateObjects: false });
  const notice = '# Made by hack/generate from the schemas of src/egress/api: change those.\n';
  const constraintsNotice =
    '# Made by hack/generate from the pod templates of manifests/node and manifests/ingress: change those.\n';
  return new Map([
    ['manifests/crd/egressrouters.yaml', notice + write(makeEgressRouterDefinition())],
    ['manifests/overlays/openshift/security.yaml', constraintsNotice + makeSecurityConstraints()],
    ['docs/annotations.md', makeAnnotationsPage()],
    ['docs/variables.md', makeVariablesPage()],
    ['manifests/route-crd/routes.yaml', notice + write(makeRouteDefinition())],
    ...Object.entries(pages).map(([path, tables]) => [path, fillTables(path, tables)] as const),
  ]);
}

/** Options that concern ports alone stand on the agent's page, those of HAProxy on their own. */
const portOptions = Object.fromEntries(
  Object.entries(agentOptions).filter(([name]) => !Object.hasOwn(httpOptions, name)),
);

/** Pages with tables of options, each behind a mark that names it. */
const pages: Readonly<Record<string, Readonly<Record<string, OptionTable<string>>>>> = {
  'src/egress/controller/README.md': { 'egress-router-controller': controllerOptions },
  'src/egress/node/README.md': { 'install-cni': installOptions, 'egress-router-node': nodeOptions },
  'src/ingress/README.md': { 'ingress-agent': portOptions },
  'src/ingress/http/README.md': { 'ingress-agent http': httpOptions },
};

/** Puts the tables of options between the marks that name them. */
function fillTables(path: string, tables: Readonly<Record<string, OptionTable<string>>>): string {
  return Object.entries(tables).reduce(
    (filled, [name, table]) => {
      const [begin, end] = [`<!-- options of ${name} -->`, '<!-- end -->'];
      const start = filled.indexOf(begin);
      if (start < 0) throw new Error(`Cannot fill ${path}: there is no mark "${begin}"`);
      const stop = filled.indexOf(end, start);
      return `${filled.slice(0, start + begin.length)}\n${formatTable(table)}\n${filled.slice(stop)}`;
    },
    readFileSync(path, 'utf8'),
  );
}

function formatTable(table: OptionTable<string>): string {
  const rows = Object.entries(table).map(([name, { value, help, variable, initial }]) => {
    const cells = [
      `\`--${name}${value === undefined ? '' : ` ${value}`}\``,
      variable === undefined ? '' : `\`${variable}\``,
      initial === undefined ? '' : `\`${initial}\``,
      help.replaceAll('|', '\\|'),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return ['| option | variable | default | what it does |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

if (import.meta.main) {
  for (const [path, text] of generateFiles()) {
    mkdirSync(path.slice(0, Math.max(0, path.lastIndexOf('/'))) || '.', { recursive: true });
    writeFileSync(path, text);
  }
}
