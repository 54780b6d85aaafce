import type { Command } from 'commander';
import { readDocuments } from '../../base/files/yaml-documents.ts';
import type { Problem } from '../../base/model/problem.ts';
import type { Console } from '../console.ts';
import type { CommandContext } from '../context.ts';
import { ErctlError, exitCodes } from '../failure.ts';
import { renderJson } from '../json.ts';
import type { ValidateDocument, ValidatedFile } from '../manifests/validate-document.ts';
import { readWritten, type Written } from '../manifests/written.ts';
import { renderValidation } from '../screens/validate.ts';
import { type OutputFormat, withAllowedNames, withOutput } from './options.ts';

interface ValidateOptions {
  readonly output: OutputFormat;
  readonly allowNames: readonly string[];
}

/** `erctl validate`: checks files as the plugin and the agent do, without a cluster. */
export function addValidate(program: Command, { console, finish }: CommandContext): void {
  const command = program
    .command('validate')
    .argument('<file...>', 'YAML or JSON; "-" reads standard input')
    .description(
      'check EgressRouters, NetworkAttachmentDefinitions, CNI configurations and configuration lists, and the objects that ' +
        'the ingress agent serves: Routes, Ingresses and the Gateway API. Exits with 0 if all are valid, 1 if one is invalid, 2 if a file cannot be read.',
    );
  withAllowedNames(command);
  withOutput(command, [
    ['validate router.yaml', 'with line numbers'],
    ['validate *.yaml --output json', 'for programs'],
    ['validate -', 'standard input'],
  ]).action((files: readonly string[], { output, allowNames }: ValidateOptions) => {
    const validated = files.map((file) => validateFile(file, console, allowNames));
    const valid = validated.every(({ documents }) => documents.every(({ outcome }) => outcome !== 'invalid'));
    const document: ValidateDocument = { schema: 'erctl.validate/v1', valid, files: validated };
    console.out(output === 'json' ? renderJson(document) : renderValidation(document, console.screen));
    finish(valid ? exitCodes.healthy : exitCodes.problems);
  });
}

/** Returns the text of a file. Throws {@link ErctlError} if it cannot be read. */
export function readText(file: string, console: Console): string {
  try {
    return console.read(file);
  } catch (error) {
    throw new ErctlError(`Cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function validateFile(file: string, console: Console, allowedNames: readonly string[]): ValidatedFile {
  const written = readDocuments(readText(file, console));
  if (!written.ok) {
    const problem = {
      path: '(document)',
      value: '',
      cure: `must be YAML or JSON: ${written.reason}`,
      line: written.line,
    };
    return { file, documents: [{ title: 'document', outcome: 'invalid', problems: [problem] }] };
  }
  return {
    file,
    documents: written.documents.flatMap(({ value, lineOf }) => {
      const parts = readWritten(value, allowedNames);
      // A plugin list without this plugin.
      if (parts.length === 0)
        return [{ title: 'network configuration list', outcome: 'skipped' as const, problems: [] }];
      return parts.map((part) => ({
        title: part.title,
        outcome: outcomeOf(part),
        problems: problemsOf(part).map((problem) => {
          const line = lineOf(problem.path);
          return { ...problem, ...(line !== undefined && { line }) };
        }),
      }));
    }),
  };
}

function outcomeOf(part: Written): 'valid' | 'invalid' | 'skipped' {
  if (part.kind === 'other') return 'skipped';
  return problemsOf(part).length === 0 ? 'valid' : 'invalid';
}

function problemsOf(part: Written): readonly Problem[] {
  if (part.kind === 'other') return [];
  if (part.kind === 'egress-router') return part.read.ok ? [] : part.read.problems;
  if (part.kind !== 'net-conf') return part.problems;
  if (part.read.ok) return [];
  return part.read.problems.map((problem) => ({ ...problem, path: joinPath(part.path, problem.path) }));
}

function joinPath(start: string, path: string): string {
  return start === '' ? path : `${start}.${path}`;
}
