import { formatProblem, type Problem } from '../../base/model/problem.ts';
import { escapeLines, escapeUnprintable } from '../../base/model/text.ts';

/** Error codes of CNI spec 1.1.0 §5 (Error). Codes from 100 are specific to this plugin. */
export const errorCodes = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  ioFailure: 5,
  decodingFailure: 6,
  invalidNetworkConfig: 7,
  tryAgainLater: 11,
  /** STATUS: ADD cannot succeed at the moment. */
  notAvailable: 50,
  /** STATUS: likewise, and existing containers on the network may have lost their connections. */
  limitedConnectivity: 51,
  /** A bug in this program. */
  internal: 100,
  /** The kernel rejected a link, an address, a route or a setting. */
  kernelRefused: 101,
  /** The rule tool is missing or rejected the rules. */
  rulesRefused: 102,
  /** ADD for a container and interface with an existing attachment. */
  attachmentExists: 103,
  /** CHECK found differences from what ADD installed. */
  checkFailed: 104,
} as const;

export type ErrorCode = (typeof errorCodes)[keyof typeof errorCodes];

/** Maximum length of `msg` and `details`: enough for people, and too little for a tenant to fill a runtime's log. */
const maxMessage = 1024;
const maxDetails = 8192;

/** Number of configuration problems listed in `details`. */
const toldProblems = 20;

/** A failure as CNI reports it. */
export class CniError extends Error {
  override readonly name = 'CniError';
  readonly code: ErrorCode;
  /** One line: the failed action, what was observed, what to do. */
  readonly msg: string;
  /** Further lines; may be empty. */
  readonly details: string;

  constructor(code: ErrorCode, msg: string, details = '', options?: ErrorOptions) {
    super(msg, options);
    this.code = code;
    this.msg = msg;
    this.details = details;
  }
}

/**
 * Returns code 7 for a configuration with problems: the first is in `msg`; if there are several, all are in
 * `details`.
 */
export function describeProblems(problems: readonly Problem[]): CniError {
  const lines = problems.slice(0, toldProblems).map(formatProblem);
  if (problems.length > toldProblems) lines.push('and others');
  const more = problems.length > 1 ? ', and other problems (see details)' : '';
  const msg = `Invalid network configuration: ${lines[0] ?? 'unknown problem'}${more}`;
  // Runtimes print both in one line, so a single problem appears only once.
  return new CniError(errorCodes.invalidNetworkConfig, msg, lines.length > 1 ? lines.join('\n') : '');
}

/** Converts anything thrown to a {@link CniError}. Unexpected errors get code 100. */
export function toCniError(thrown: unknown): CniError {
  if (thrown instanceof CniError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new CniError(errorCodes.internal, `Internal error: ${message}`, '', { cause: thrown });
}

/**
 * Formats the error object for standard output (CNI spec 1.1.0 §5). `cniVersion` is that of the configuration, or the
 * newest one if none could be negotiated. `details` ends with the causes.
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

/** Returns the lines that add information to the message, for output on one line. */
export function listDetails(error: CniError): string[] {
  return [...error.details.split('\n'), ...listCauses(error)].filter(
    (line) => line !== '' && !error.msg.includes(line),
  );
}

/** Returns the messages of the causes that add information. */
function listCauses(error: CniError): string[] {
  const causes: string[] = [];
  let cause = error.cause;
  // Causes may be circular.
  while (cause instanceof Error && causes.length < 8) {
    if (!error.msg.includes(cause.message)) causes.push(`caused by: ${cause.message}`);
    cause = cause.cause;
  }
  return causes;
}

function shorten(text: string, limit: number): string {
  return text.length > limit ? `${text.slice(0, limit - 1).toWellFormed()}…` : text;
}
