import { showValue } from '../../base/read/show-value.ts';
import type { AttachmentId } from '../model/attachment.ts';
import { type CniArgs, parseCniArgs } from './args.ts';
import { CniError, errorCodes } from './error.ts';

/** Commands of a runtime (CNI spec 1.1.0 §2). */
export type Verb = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS' | 'VERSION';

/** A command with its parameters. */
export type Call =
  | {
      readonly verb: 'ADD' | 'CHECK';
      readonly id: AttachmentId;
      /** Path of the container's network namespace. */
      readonly netns: string;
      readonly args: CniArgs;
    }
  /** Without `netns` if the namespace no longer exists. */
  | { readonly verb: 'DEL'; readonly id: AttachmentId; readonly netns?: string }
  | { readonly verb: 'GC' | 'STATUS' | 'VERSION' };

export type Environment = Readonly<Record<string, string | undefined>>;

const verbs: readonly Verb[] = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'];

/**
 * Parses the `CNI_*` variables (CNI spec 1.1.0 §2, Parameters). Returns undefined without `CNI_COMMAND`: then the
 * caller is a person, not a runtime. Throws a {@link CniError} 4 that names every invalid variable. `CNI_PATH` is not
 * needed, because this plugin calls no other.
 */
export function parseEnvironment(environment: Environment): Call | undefined {
  const command = environment.CNI_COMMAND;
  if (command === undefined || command === '') return undefined;
  const verb = verbs.find((candidate) => candidate === command);
  if (verb === undefined) {
    throw invalidEnvironment([`CNI_COMMAND ${showValue(command)}: must be one of ${verbs.join(', ')}`]);
  }
  return isContainerVerb(verb) ? readContainerCall(verb, environment) : { verb };
}

function isContainerVerb(verb: Verb): verb is 'ADD' | 'CHECK' | 'DEL' {
  return verb === 'ADD' || verb === 'CHECK' || verb === 'DEL';
}

function readContainerCall(verb: 'ADD' | 'CHECK' | 'DEL', environment: Environment): Call {
  const problems: string[] = [];
  const read = (name: string, cure: string, isValid: (value: string) => boolean): string => {
    const value = environment[name] ?? '';
    if (!isValid(value)) problems.push(`${name} ${showValue(value === '' ? undefined : value)}: ${cure}`);
    return value;
  };
  const id: AttachmentId = {
    containerId: read('CNI_CONTAINERID', containerIdCure, isContainerId),
    ifname: read('CNI_IFNAME', ifnameCure, isAttachmentName),
  };
  const isDel = verb === 'DEL';
  const netns = read('CNI_NETNS', netnsCure, (path) => (isDel && path === '') || isNetnsPath(path));
  // DEL needs none of these, and must succeed regardless of what has changed since ADD.
  const args = isDel ? {} : parseCniArgs(environment.CNI_ARGS ?? '', problems);
  if (problems.length > 0) throw invalidEnvironment(problems);
  if (verb !== 'DEL') return { verb, id, netns, args };
  return netns === '' ? { verb, id } : { verb, id, netns };
}

function invalidEnvironment(problems: readonly string[]): CniError {
  const more = problems.length > 1 ? ', and other problems (see details)' : '';
  const details = problems.length > 1 ? problems.join('\n') : '';
  return new CniError(errorCodes.invalidEnvironment, `Invalid environment: ${problems[0]}${more}`, details);
}

const containerIdCure = 'must be a container ID: letters, digits, "_", "." and "-", beginning with a letter or digit';

/** The specification sets no limit, but file names have one. */
const maxContainerId = 200;

function isContainerId(value: string): boolean {
  return /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(value) && value.length <= maxContainerId;
}

const ifnameCure =
  'must be the name of an interface: at most 15 letters, digits, "_", "." and "-", not beginning with "-", and not "." or ".."';

/**
 * Stricter than the specification and Linux, which forbid only `/`, `:` and blanks: rule tools interpret `+`, `*` and
 * `"` in a name as patterns or quotes, and a leading `-` as an option.
 */
function isAttachmentName(value: string): boolean {
  return /^[a-zA-Z0-9._][a-zA-Z0-9._-]{0,14}$/.test(value) && value !== '.' && value !== '..';
}

const netnsCure = 'must be the absolute path of a network namespace';

function isNetnsPath(path: string): boolean {
  return /^\/[^\p{C}]+$/u.test(path) && Buffer.byteLength(path) < 4096;
}
