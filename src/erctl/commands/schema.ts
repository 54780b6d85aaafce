import { Argument, type Command } from 'commander';
import { toJSONSchema } from 'zod/mini';
import { listDocumentSchema } from '../../egress/inspect/list-document.ts';
import { inspectDocumentSchema } from '../../egress/inspect/report-document.ts';
import { traceDocumentSchema } from '../../egress/inspect/trace-document.ts';
import { watchDocumentSchema } from '../../egress/inspect/watch-document.ts';
import { claimsDocumentSchema } from '../../ingress/claims/claims-document.ts';
import { addressesDocumentSchema } from '../../ingress/pools/addresses-document.ts';
import type { CommandContext } from '../context.ts';
import { renderJson } from '../json.ts';
import { renderDocumentSchema } from '../manifests/render-document.ts';
import { validateDocumentSchema } from '../manifests/validate-document.ts';

/** Schema of the JSON document of each command. */
const schemas = {
  addresses: addressesDocumentSchema,
  inspect: inspectDocumentSchema,
  list: listDocumentSchema,
  render: renderDocumentSchema,
  routes: claimsDocumentSchema,
  top: watchDocumentSchema,
  trace: traceDocumentSchema,
  validate: validateDocumentSchema,
  watch: watchDocumentSchema,
} as const;

/** `erctl schema`: prints the JSON Schema of a command's output. */
export function addSchema(program: Command, { console }: CommandContext): void {
  program
    .command('schema')
    .description('print the JSON Schema of the output of a command')
    .addArgument(new Argument('<command>', 'the command').choices(Object.keys(schemas)))
    .addHelpText('after', '\nExamples:\n  $ erctl schema inspect > erctl-inspect.schema.json\n')
    .action((name: keyof typeof schemas) => console.out(renderJson(toJSONSchema(schemas[name]))));
}
