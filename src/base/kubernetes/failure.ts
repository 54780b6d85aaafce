import { escapeUnprintable } from '../model/text.ts';
import { isRecord } from '../read/shape.ts';

/** Content of a Status object (meta/v1) of a rejected request. */
export interface StatusWords {
  readonly message: string;
  /** Reasons of the causes. */
  readonly causes: readonly string[];
}

/** Parses the body of an error response: a Status object, or the page of a proxy. */
export function readStatus(text: string): StatusWords {
  let status: unknown;
  try {
    status = JSON.parse(text);
  } catch {
    // Proxies return pages of their own.
  }
  const details = isRecord(status) && isRecord(status.details) ? status.details : {};
  const causes = Array.isArray(details.causes) ? details.causes.filter(isRecord) : [];
  const message =
    isRecord(status) && typeof status.message === 'string' ? status.message.slice(0, 500) : text.slice(0, 200);
  return {
    message: escapeUnprintable(message),
    causes: causes.flatMap(({ reason }) => (typeof reason === 'string' ? [reason] : [])),
  };
}
