import { escapeUnprintable } from '../model/text.ts';
import { isRecord } from '../read/shape.ts';

/** What a Status object (meta/v1) says of a refused request. */
export interface StatusWords {
  readonly message: string;
  /** Reasons of its causes. */
  readonly causes: readonly string[];
}

/** Reads the body of a refusal: a Status object, or whatever a proxy on the way wrote. */
export function readStatus(text: string): StatusWords {
  let status: unknown;
  try {
    status = JSON.parse(text);
  } catch {
    // Proxies answer with pages of their own.
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
