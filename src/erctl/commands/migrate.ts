import { Argument, type Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { exitCodes } from '../failure.ts';
import { renderJson } from '../json.ts';
import { judgeIngresses } from '../migrate/judge-ingresses.ts';
import { judgeRoutes } from '../migrate/judge-routes.ts';
import type { MigrateDocument, MigrateOrigin } from '../migrate/migrate-document.ts';
import { readObjects } from '../migrate/written-objects.ts';
import { renderMigration } from '../screens/migrate.ts';
import { type OutputFormat, withOutput } from './options.ts';
import { readText } from './validate.ts';

const origins: readonly MigrateOrigin[] = ['ingress-nginx', 'haproxy-ingress', 'openshift'];

/** `erctl migrate`: reports how the ingress agent serves objects that were written for another controller. */
export function addMigrate(program: Command, { console, finish }: CommandContext): void {
  const command = program
    .command('migrate')
    .addArgument(new Argument('<origin>', 'controller that serves the objects now').choices([...origins]))
    .argument('<file...>', 'YAML or JSON files with Ingresses or Routes; "-" reads standard input')
    .description(
      'report which existing Ingresses or Routes the ingress agent serves: what works, what differs and what is ' +
        'missing, with the change to make. Uses the code of the agent. Exits with 0 if all are served, 1 if ' +
        'one lacks a function or is not served, 2 if a file cannot be read.',
    )
    .option('--class <name>', 'name of the IngressClass that the agent serves', 'egress-router');
  withOutput(command, [
    ['migrate ingress-nginx *.yaml', 'files'],
    ['migrate ingress-nginx - < <(kubectl get ingress -A -o yaml)', 'a cluster'],
    ['migrate openshift routes.yaml --output json', 'for programs'],
  ]).action((origin: MigrateOrigin, files: readonly string[], options: { class: string; output: OutputFormat }) => {
    const document = judgeFiles(
      origin,
      files.map((file) => [file, readText(file, console)]),
      options.class,
    );
    console.out(options.output === 'json' ? renderJson(document) : renderMigration(document, console.screen));
    const isFine = document.objects.every(({ verdict }) => ['works', 'differs', 'skipped'].includes(verdict));
    finish(isFine ? exitCodes.healthy : exitCodes.problems);
  });
}

/** Judges the objects of files, given as names and texts. */
export function judgeFiles(
  origin: MigrateOrigin,
  files: readonly (readonly [file: string, text: string])[],
  className: string,
): MigrateDocument {
  const read = files.map(([file, text]) => readObjects(file, text));
  const objects = read.flatMap((one) => one.objects);
  const judged =
    origin === 'openshift' ? judgeRoutes(objects) : judgeIngresses(objects, className, origin === 'haproxy-ingress');
  const isJudged = (title: string, file: string) => judged.some((one) => one.title === title && one.file === file);
  const skipped = objects
    .filter(({ title, file }) => !isJudged(title, file))
    .map(({ title, file }) => ({ file, title, verdict: 'skipped' as const, hosts: [], findings: [] }));
  const others = read.flatMap((one) => one.others);
  return { schema: 'erctl.migrate/v1', origin, objects: [...judged, ...others, ...skipped] };
}
