import { escapeUnprintable } from '../model/text.ts';

/** Characters of a value that an error message repeats. */
const shownCharacters = 80;

/**
 * What somebody wrote, as JSON on one line, cut to `limit` characters; `missing` for an absent value.
 * Costs the same for a value of any size or depth: nothing beyond the limit is looked at.
 */
export function showValue(value: unknown, limit = shownCharacters): string {
  if (value === undefined) return 'missing';
  const text = escapeUnprintable(writeJson(value, limit));
  return text.length > limit ? `${text.slice(0, limit - 1).toWellFormed()}…` : text;
}

/** JSON of about the first `room` characters; each level takes at least one, so depth is bounded too. */
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
