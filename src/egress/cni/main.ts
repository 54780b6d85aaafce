import { escapeJson, escapeUnprintable } from '../../base/model/text.ts';
import { latestVersion, supportedVersions } from '../api/cni-version.ts';
import { defaultLog, findLogSettings } from '../api/log-settings.ts';
import { decodeConfiguration, maxInputBytes, requireInput } from './configuration.ts';
import type { PluginParts, VerbContext } from './context.ts';
import { type Call, type Environment, parseEnvironment } from './environment.ts';
import { formatError, listDetails, toCniError } from './error.ts';
import { translateFailure } from './failure.ts';
import { openPluginLog, type PluginLog } from './log/log.ts';
import { runAdd } from './verbs/add.ts';
import { runCheck } from './verbs/check.ts';
import { runDel } from './verbs/del.ts';
import { runGc } from './verbs/gc.ts';
import { runStatus } from './verbs/status.ts';
import { formatVersionAnswer, negotiateVersion, requireVerb } from './version.ts';

/** Output and exit code of a call. */
export interface Outcome {
  readonly exitCode: 0 | 1;
  readonly stdout: string;
  readonly stderr: string;
}

/** Input of a call. */
export interface Invocation {
  readonly environment: Environment;
  /** Read only if a runtime calls. Undefined if the input exceeds `limit` bytes. */
  readonly readInput: (limit: number) => string | undefined;
  readonly programVersion: string;
}

/**
 * Runs the plugin once (CNI spec 1.1.0). Standard output contains only a result or an error object, and every failure
 * exits with 1. Never throws.
 */
export function runPlugin(invocation: Invocation, parts: PluginParts): Outcome {
  let version: string = latestVersion;
  let log: PluginLog | undefined;
  try {
    const call = parseEnvironment(invocation.environment);
    if (call === undefined) return introduce(invocation.programVersion);
    const input = requireInput(invocation.readInput(maxInputBytes));
    // A runtime that asks for the versions need not pass anything else.
    if (call.verb === 'VERSION')
      return succeed(formatVersionAnswer(input.trim() === '' ? {} : decodeConfiguration(input)));
    const configuration = decodeConfiguration(input);
    const { file, level } = findLogSettings(configuration);
    log = openPluginLog(parts.openLog(file), level);
    const negotiated = negotiateVersion(configuration);
    version = negotiated;
    requireVerb(call.verb, negotiated);
    const result = runVerb(call, negotiated, { parts, configuration, log });
    return succeed(result, tellProblems(parts, log));
  } catch (thrown) {
    const error = toCniError(translateFailure(thrown));
    log ??= openPluginLog(parts.openLog(defaultLog.file), defaultLog.level);
    log.error([error.msg, ...listDetails(error)].join('; '));
    return { exitCode: 1, stdout: `${formatError(version, error)}\n`, stderr: tell(tellProblems(parts, log)) };
  } finally {
    log?.close();
  }
}

function runVerb(call: Call, version: ReturnType<typeof negotiateVersion>, context: VerbContext): string {
  switch (call.verb) {
    case 'ADD':
      return runAdd(call, version, context);
    case 'CHECK':
      runCheck(call, context);
      return '';
    case 'DEL':
      runDel(call, context);
      return '';
    case 'GC':
      runGc(context);
      return '';
    case 'STATUS':
      runStatus(context);
      return '';
    case 'VERSION':
      return '';
  }
}

/** Returns an introduction for a person who starts the program manually. */
function introduce(programVersion: string): Outcome {
  return {
    exitCode: 0,
    stdout: '',
    stderr:
      `egress-router ${programVersion}: CNI plugin that gives pods a reserved source IP\n` +
      `CNI versions supported: ${supportedVersions.join(', ')}\n` +
      'Container runtimes call it: set CNI_COMMAND and pass the network configuration on standard input.\n',
  };
}

function succeed(stdout: string, problems: readonly string[] = []): Outcome {
  return { exitCode: 0, stdout: stdout === '' ? '' : `${escapeJson(stdout)}\n`, stderr: tell(problems) };
}

/** Logs the problems of state files. Returns them and the problem of the log for standard error. */
function tellProblems({ store }: PluginParts, log: PluginLog): string[] {
  for (const problem of store.problems) log.error(problem);
  return [...store.problems, ...(log.problem === undefined ? [] : [log.problem])];
}

function tell(problems: readonly string[]): string {
  return problems.map((problem) => `egress-router: ${escapeUnprintable(problem)}\n`).join('');
}
