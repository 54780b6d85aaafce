import { escapeUnprintable } from '../model/text.ts';

/** Maximum length of a value in an error message. */
const shownCharacters = 80;

/**
 * Formats a value as JSON on one line, cut to `limit` characters; `missing` for an absent value. The cost does
 * not depend on the size or depth of the value.
 */
export function showValue(value: unknown, limit = shownCharacters): string {
  if (value === undefined) return 'missing';
  const text = escapeUnprintable(writeJson(value, limit));
  return text.length > limit ? `${text.slice(0, limit - 1).toWellFormed()}…` : text;
}

/** Returns about the first `room` characters of the JSON; each level uses at least one, which bounds the depth. */
function writeJson(value: unknown, room: number): string {
  if (room <= 0) return '';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, room));
  if (typeof value !== 'object' || value === null) return String(value);
  const isArray = Array.isArray(value);
  let text = isArray ? '[' : '{';
  for (const key in value) {
    if (text.length > room) break;
    if (text.length > 1) text += ',';
    if (!isArray) text += `${JSON.stringify(key.slice(0, room))}:`;
    text += writeJson((value as Record<string, unknown>)[key], room - text.length);
  }
  return text + (isArray ? ']' : '}');
}
