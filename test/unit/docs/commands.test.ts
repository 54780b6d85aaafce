import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { parse, parseAllDocuments } from 'yaml';
import type { OptionTable } from '../../../src/base/daemon/table.ts';
import { optionTable as controllerOptions } from '../../../src/egress/controller/option-table.ts';
import { nodeOptionTable as nodeOptions } from '../../../src/egress/node/node-options.ts';
import { makeProgram } from '../../../src/erctl/program.ts';
import { optionTable as agentOptions } from '../../../src/ingress/agent/option-table.ts';
import { unservedVariables } from '../../../src/ingress/http/option-table.ts';
import { parseEgressRouter } from '../egress/api/samples.ts';
import { listCommands, listPages } from './pages.ts';

const program = makeProgram('1', {
  console: { screen: { colour: false }, rows: 24, isTerminal: false, out: () => {}, err: () => {}, read: () => '' },
  finish: () => {},
});
const tables: readonly OptionTable<string>[] = [controllerOptions, nodeOptions, agentOptions];
const options = new Set(tables.flatMap((table) => Object.keys(table)));
const variables = new Set([
  ...tables.flatMap((table) => Object.values(table).flatMap(({ variable }) => variable ?? [])),
  ...Object.keys(unservedVariables),
]);
const pages = ['README.md', 'manifests/README.md', ...listPages('docs')];
const objects = new Map<string, OptionTable<string>>([
  ['deployment/egress-router-controller', controllerOptions],
  ['daemonset/egress-router-node', nodeOptions],
  ['daemonset/ingress-agent', agentOptions],
]);

/** What is wrong with one command of a page. */
function findMistakes(command: string): readonly string[] {
  return [...findMissingFiles(command), ...findErctlMistakes(command), ...findVariableMistakes(command)];
}

function findMissingFiles(command: string): readonly string[] {
  const paths = [...command.matchAll(/(?<![\w/.])(?:manifests|hack|test|docs)\/[\w./-]*\w/g)].map(([path]) => path);
  return paths.filter((path) => !existsSync(path)).map((path) => `${path} does not exist`);
}

function findErctlMistakes(command: string): readonly string[] {
  const [, name, rest = ''] = /(?:^|-- |[(])erctl ([a-z]+)([^|)]*)/.exec(command) ?? [];
  if (name === undefined) return [];
  const known = program.commands.find((one) => one.name() === name);
  if (known === undefined) return [`erctl has no command ${name}`];
  const flags = [...rest.matchAll(/(?<=\s)--[a-z-]+/g)].map(([flag]) => flag);
  return flags
    .filter((flag) => !known.options.some(({ long }) => long === flag))
    .map((flag) => `erctl ${name} has no option ${flag}`);
}

function findVariableMistakes(command: string): readonly string[] {
  const [, object = '', words = ''] = /set env (\S+) (.*)$/.exec(command) ?? [];
  const table = objects.get(object);
  if (table === undefined || /--(?:from|list)\b/.test(words)) return [];
  const known = new Set(Object.values(table).map(({ variable }) => variable));
  const names = [...words.matchAll(/\b([A-Z][A-Z_0-9]+)=/g)].map(([, name = '']) => name);
  if (names.length === 0) return ['sets nothing'];
  return names.filter((name) => !known.has(name)).map((name) => `${object} does not read ${name}`);
}

describe('commands of the documentation', () => {
  it('are found', () => {
    assert.ok(pages.flatMap(listCommands).length > 60);
    assert.ok(listCommands('docs/install.md').includes('kubectl apply -k manifests/overlays/default'));
  });

  for (const page of pages) {
    it(`of ${page} name files, commands, options and variables that exist`, () => {
      assert.deepEqual(
        listCommands(page).flatMap((command) => findMistakes(command).map((mistake) => `${command}: ${mistake}`)),
        [],
      );
    });

    it(`of ${page}: options and variables in its text are those of a program`, () => {
      const text = readFileSync(page, 'utf8');
      const own = /`--([a-z0-9-]+)(?:[ =][^`]*)?`/g;
      for (const [, name = ''] of text.matchAll(own)) {
        const ofErctl = program.commands.some((one) => one.options.some(({ long }) => long === `--${name}`));
        // Those of buildah and of the scripts in hack.
        assert.ok(options.has(name) || ofErctl || ['build-arg', 'check', 'version'].includes(name), `--${name}`);
      }
      for (const [, name = ''] of text.matchAll(/`((?:ROUTER|STATS|CNI|SSL)_[A-Z_0-9]+)(?:=[^`]*)?`/g)) {
        assert.ok(variables.has(name), name);
      }
    });
  }

  it('edit the example of an egress router into a valid one for kind', () => {
    const command = listCommands('docs/first-router.md').find((one) => one.startsWith('sed '));
    const [edit = ''] = command?.split(' > ') ?? [];
    const text = execFileSync('sh', ['-c', edit], { encoding: 'utf8', env: { ...process.env, OUTSIDE: '172.18.0.9' } });
    const [router] = parseAllDocuments(text).map((document) => document.toJS());
    assert.ok(parseEgressRouter(router).ok);
    const { addresses, redirect } = router.spec;
    assert.deepEqual(addresses, [{ ip: '172.18.200.10/16', gateway: '172.18.0.1' }]);
    const [{ destinationIP }] = redirect.redirectRules.filter(({ port }: { readonly port: number }) => port === 8080);
    assert.equal(destinationIP, '172.18.0.9');
  });

  it('name another image in the overlays', () => {
    const edits = listCommands('docs/install.md').filter((one) => one.startsWith('sed -i '));
    assert.equal(edits.length, 2);
    for (const edit of edits) {
      const text = execFileSync('sh', ['-c', edit.replace('sed -i', 'sed')], { encoding: 'utf8' });
      const [image] = parse(text).images;
      assert.equal(image.newName, 'registry.internal/egress-router');
    }
  });

  it('that are wrong are found', () => {
    for (const command of [
      'kubectl apply -k manifests/overlays/none',
      'erctl inspct',
      'erctl trace --prot 80',
      'kubectl exec x -- erctl list --ingress',
      'kubectl set env daemonset/ingress-agent -c ingress-agent ROUTER_NONE=1',
      'kubectl set env daemonset/egress-router-node ROUTER_DOMAIN=1',
    ]) {
      assert.equal(findMistakes(command).length, 1, command);
    }
  });
});
