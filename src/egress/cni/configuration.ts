import { isRecord } from '../../base/read/shape.ts';
import { showValue } from '../../base/read/show-value.ts';
import { CniError, errorCodes } from './error.ts';

/** Characters of the parser's own message that are repeated; some parsers quote their input in it. */
const maxReason = 200;

/** The largest configuration that makes sense, all 65,535 ports of each protocol redirected, is 12 MB. */
export const maxInputBytes = 16 * 1024 * 1024;

/** Standard input, if it was not too long. Throws a {@link CniError} 6. */
export function requireInput(input: string | undefined): string {
  if (input !== undefined) return input;
  throw new CniError(
    errorCodes.decodingFailure,
    `Cannot read the network configuration: standard input has more than ${maxInputBytes} bytes; shorten it`,
  );
}

/**
 * Reads standard input: one JSON object. Throws a {@link CniError} 6 for anything else. What stands
 * in the object is not looked at.
 */
export function decodeConfiguration(text: string): Readonly<Record<string, unknown>> {
  const value = parseJson(text);
  if (isRecord(value)) return value;
  throw new CniError(
    errorCodes.decodingFailure,
    `Cannot read the network configuration: standard input must hold a JSON object, not ${showValue(value)}`,
  );
}

function parseJson(text: string): unknown {
  if (text.trim() === '') {
    throw new CniError(
      errorCodes.decodingFailure,
      'Cannot read the network configuration: standard input is empty; pass the configuration as JSON',
    );
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    // A parser may run out of stack on deep nesting, which is no SyntaxError.
    const reason = error instanceof Error ? error.message.slice(0, maxReason) : 'not JSON';
    throw new CniError(
      errorCodes.decodingFailure,
      `Cannot read the network configuration: standard input must hold a JSON object: ${reason}`,
    );
  }
}
