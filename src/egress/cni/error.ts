import { formatProblem, type Problem } from '../../base/model/problem.ts';
import { escapeLines, escapeUnprintable } from '../../base/model/text.ts';

/** Error codes of CNI spec 1.1.0 §5 (Error); those from 100 are this plugin's own. */
export const errorCodes = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  ioFailure: 5,
  decodingFailure: 6,
  invalidNetworkConfig: 7,
  tryAgainLater: 11,
  /** STATUS: ADD cannot work now. */
  notAvailable: 50,
  /** STATUS: as before, and containers already on the network may have lost their connection. */
  limitedConnectivity: 51,
  /** A mistake of this program. */
  internal: 100,
  /** The kernel refused a link, an address, a route or a setting. */
  kernelRefused: 101,
  /** The rule program is not there, or refused the rules. */
  rulesRefused: 102,
  /** ADD for a container and interface that have an attachment already. */
  attachmentExists: 103,
  /** CHECK found something else than ADD left. */
  checkFailed: 104,
} as const;

export type ErrorCode = (typeof errorCodes)[keyof typeof errorCodes];

/** Characters of `msg` and of `details`: enough for people, and no tenant can fill a runtime's log. */
const maxMessage = 1024;
const maxDetails = 8192;

/** Problems of a configuration that `details` tells one by one. */
const toldProblems = 20;

/** A failure as CNI reports it. */
export class CniError extends Error {
  override readonly name = 'CniError';
  readonly code: ErrorCode;
  /** One line: what was attempted, what stood in the way, what to do. */
  readonly msg: string;
  /** More, on one or several lines; empty if there is no more to say. */
  readonly details: string;

  constructor(code: ErrorCode, msg: string, details = '', options?: ErrorOptions) {
    super(msg, options);
    this.code = code;
    this.msg = msg;
    this.details = details;
  }
}

/** Code 7 for a configuration with problems: the first in `msg`; of several, all in `details`. */
export function describeProblems(problems: readonly Problem[]): CniError {
  const lines = problems.slice(0, toldProblems).map(formatProblem);
  if (problems.length > toldProblems) lines.push('and others');
  const more = problems.length > 1 ? ', and other problems (see details)' : '';
  const msg = `Invalid network configuration: ${lines[0] ?? 'unknown problem'}${more}`;
  // Runtimes print both in one line: a single problem is said once.
  return new CniError(errorCodes.invalidNetworkConfig, msg, lines.length > 1 ? lines.join('\n') : '');
}

/** Anything thrown, as a {@link CniError}; what nobody expected becomes code 100. */
export function toCniError(thrown: unknown): CniError {
  if (thrown instanceof CniError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new CniError(errorCodes.internal, `Internal error: ${message}`, '', { cause: thrown });
}

/**
 * The error object for standard output (CNI spec 1.1.0 §5). `cniVersion`: that of the
 * configuration, or the newest one if none could be agreed on. `details` ends with the causes.
 */
export function formatError(cniVersion: string, error: CniError): string {
  const details = [error.details, ...listCauses(error)].filter((text) => text !== '').join('\n');
  return JSON.stringify({
    cniVersion,
    code: error.code,
    msg: shorten(escapeUnprintable(error.msg), maxMessage),
    ...(details !== '' && { details: shorten(escapeLines(details), maxDetails) }),
  });
}

/** What there is to say besides the message, for where both stand in one line. */
export function listDetails(error: CniError): string[] {
  return [...error.details.split('\n'), ...listCauses(error)].filter(
    (line) => line !== '' && !error.msg.includes(line),
  );
}

/** The messages below the error's own, as far as they say something new. */
function listCauses(error: CniError): string[] {
  const causes: string[] = [];
  let cause = error.cause;
  // Causes can be circular.
  while (cause instanceof Error && causes.length < 8) {
    if (!error.msg.includes(cause.message)) causes.push(`caused by: ${cause.message}`);
    cause = cause.cause;
  }
  return causes;
}

function shorten(text: string, limit: number): string {
  return text.length > limit ? `${text.slice(0, limit - 1).toWellFormed()}…` : text;
}
