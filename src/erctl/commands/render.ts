import { type Command, InvalidArgumentError, Option } from 'commander';
import { readDocuments } from '../../base/files/yaml-documents.ts';
import { formatProblem } from '../../base/model/problem.ts';
import type { Console } from '../console.ts';
import type { CommandContext } from '../context.ts';
import { ErctlError } from '../failure.ts';
import { renderJson } from '../json.ts';
import { type RenderSettings, renderRouters } from '../manifests/render.ts';
import type { RenderDocument, RenderedRouter } from '../manifests/render-document.ts';
import { readWritten, type Written } from '../manifests/written.ts';
import { renderRendering } from '../screens/render.ts';
import { type OutputFormat, withAllowedNames, withOutput } from './options.ts';
import { readText } from './validate.ts';

interface RenderOptions {
  readonly output: OutputFormat;
  readonly allowNames: readonly string[];
  readonly backend: 'iptables' | 'nftables';
  readonly only?: 'nad' | 'rules';
  readonly interface: string;
  readonly podInterface: string;
}

/** `erctl render`: prints what a router's file becomes, without a cluster. */
export function addRender(program: Command, { console }: CommandContext): void {
  const command = program
    .command('render')
    .argument('<file...>', 'YAML or JSON; "-" reads standard input')
    .description(
      'print the NetworkAttachmentDefinition of an EgressRouter and the rules that the plugin would install. ' +
        'Exits with 2 if a file cannot be read or is invalid.',
    )
    .addOption(
      new Option('--backend <name>', 'format of the rules').choices(['iptables', 'nftables']).default('nftables'),
    )
    .addOption(new Option('--only <part>', 'print only one of the two').choices(['nad', 'rules']))
    .option('--interface <name>', 'name of the interface that the router adds', readInterface, 'net1')
    .option('--pod-interface <name>', 'interface that clients use', readInterface, 'eth0');
  withAllowedNames(command);
  withOutput(command, [
    ['render router.yaml', 'the definition and the rules of nftables'],
    ['render router.yaml --backend iptables --only rules', 'for iptables-restore'],
    ['render router.yaml --only nad | kubectl apply -f -', 'without a controller'],
  ]).action((files: readonly string[], options: RenderOptions) => {
    const settings: RenderSettings = {
      interface: options.interface,
      podInterface: options.podInterface,
      withDefinition: options.only !== 'rules',
      ...(options.only !== 'nad' && { backend: options.backend }),
    };
    const routers = files.flatMap((file) => renderFile(file, console, settings, options.allowNames));
    const document: RenderDocument = { schema: 'erctl.render/v1', routers };
    console.out(options.output === 'json' ? renderJson(document) : renderRendering(document));
  });
}

function renderFile(
  file: string,
  console: Console,
  settings: RenderSettings,
  allowedNames: readonly string[],
): RenderedRouter[] {
  const written = readDocuments(readText(file, console));
  if (!written.ok) throw new ErctlError(`Cannot read ${file}: line ${written.line}: ${written.reason}`);
  const parts = written.documents.flatMap(({ value }) => readWritten(value, allowedNames));
  const routers = parts.flatMap((part) => {
    refuseInvalid(file, part);
    return renderRouters(part, settings);
  });
  if (routers.length > 0) return routers;
  throw new ErctlError(
    `${file} has nothing to render; it must contain an EgressRouter, a NetworkAttachmentDefinition or a network configuration of the plugin`,
  );
}

function refuseInvalid(file: string, part: Written): void {
  const isRouter = part.kind === 'egress-router' || part.kind === 'net-conf';
  const problems = isRouter
    ? part.read.ok
      ? []
      : part.read.problems
    : part.kind === 'unreadable'
      ? part.problems
      : [];
  const [first] = problems;
  if (first === undefined) return;
  throw new ErctlError(
    `${file}: ${part.title} is invalid: ${formatProblem(first)}; "erctl validate" lists all problems`,
  );
}

/** Parses the name of an interface as rules contain it: no character that a rule tool treats as a pattern. */
function readInterface(text: string): string {
  if (/^[a-zA-Z0-9._][a-zA-Z0-9._-]{0,14}$/.test(text)) return text;
  throw new InvalidArgumentError('Must be the name of an interface.');
}
