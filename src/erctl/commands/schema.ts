import { Argument, type Command } from 'commander';
import { toJSONSchema } from 'zod/mini';
import { claimsDocumentSchema } from '../../api/claims-document.ts';
import { listDocumentSchema } from '../../inspect/list-document.ts';
import { renderDocumentSchema } from '../../inspect/render-document.ts';
import { inspectDocumentSchema } from '../../inspect/report-document.ts';
import { traceDocumentSchema } from '../../inspect/trace-document.ts';
import { validateDocumentSchema } from '../../inspect/validate-document.ts';
import { watchDocumentSchema } from '../../inspect/watch-document.ts';
import type { CommandContext } from '../context.ts';
import { renderJson } from '../json.ts';

/** The document of each command that has one. */
const schemas = {
  inspect: inspectDocumentSchema,
  list: listDocumentSchema,
  render: renderDocumentSchema,
  routes: claimsDocumentSchema,
  trace: traceDocumentSchema,
  validate: validateDocumentSchema,
  watch: watchDocumentSchema,
} as const;

/** `erctl schema`: what programs may rely on. */
export function addSchema(program: Command, { console }: CommandContext): void {
  program
    .command('schema')
    .description('print the JSON Schema of what a command prints with --output json')
    .addArgument(new Argument('<command>', 'whose answer').choices(Object.keys(schemas)))
    .addHelpText('after', '\nExamples:\n  $ erctl schema inspect > erctl-inspect.schema.json\n')
    .action((name: keyof typeof schemas) => console.out(renderJson(toJSONSchema(schemas[name]))));
}
