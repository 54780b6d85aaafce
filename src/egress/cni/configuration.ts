import { isRecord } from '../../base/read/shape.ts';
import { showValue } from '../../base/read/show-value.ts';
import { CniError, errorCodes } from './error.ts';

/** Maximum length of the parser's message that is repeated, because some parsers quote their input. */
const maxReason = 200;

/** Maximum size of a configuration. One that redirects all 65,535 ports of each protocol has 12 MB. */
export const maxInputBytes = 16 * 1024 * 1024;

/** Returns standard input unless it was too long. Throws a {@link CniError} 6. */
export function requireInput(input: string | undefined): string {
  if (input !== undefined) return input;
  throw new CniError(
    errorCodes.decodingFailure,
    `Cannot read the network configuration: standard input exceeds ${maxInputBytes} bytes; shorten it`,
  );
}

/**
 * Parses standard input as one JSON object. Throws a {@link CniError} 6 for anything else. The content of the object
 * is not validated.
 */
export function decodeConfiguration(text: string): Readonly<Record<string, unknown>> {
  const value = parseJson(text);
  if (isRecord(value)) return value;
  throw new CniError(
    errorCodes.decodingFailure,
    `Cannot read the network configuration: standard input must contain a JSON object, not ${showValue(value)}`,
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
    // A parser may run out of stack on deep nesting, which is not a SyntaxError.
    const reason = error instanceof Error ? error.message.slice(0, maxReason) : 'not JSON';
    throw new CniError(
      errorCodes.decodingFailure,
      `Cannot read the network configuration: standard input must contain a JSON object: ${reason}`,
    );
  }
}
