/**
 * Control characters, invisible format characters (including bidirectional controls), lone surrogates and line
 * separators. In a name or a setting they could forge log lines or hide parts of a message.
 */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Fast path for nearly all text: ten times faster than Unicode classes. */
const plain = /^[\x20-\x7e]*$/;

/** Returns the text on one line, with unprintable characters as `\uXXXX`. */
export function escapeUnprintable(text: string): string {
  if (plain.test(text)) return text;
  return text.replace(unprintable, (character) => {
    const hex = (character.codePointAt(0) ?? 0).toString(16);
    return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, '0')}`;
  });
}

/** Printable text of one or several lines. */
const plainLines = /^[\x20-\x7e\n]*$/;

/** Returns an equivalent JSON document with unprintable characters escaped, safe on a terminal. */
export function escapeJson(json: string): string {
  if (plainLines.test(json)) return json;
  return json.replace(unprintable, (character) =>
    // JSON strings contain no raw line breaks, so this one is white space.
    character === '\n'
      ? character
      : Array.from({ length: character.length }, (_, at) => escapeUnit(character, at)).join(''),
  );
}

function escapeUnit(text: string, at: number): string {
  return `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`;
}

/** Escapes like {@link escapeUnprintable} but keeps line breaks and tabs, for laid-out text. */
export function escapeLines(text: string): string {
  return text
    .split('\n')
    .map((line) => line.split('\t').map(escapeUnprintable).join('\t'))
    .join('\n');
}

/** Limit for chains of causes, which may be circular. */
const mostCauses = 10;

/** Returns an error and its causes on one line, without repetitions. */
export function describeError(error: unknown): string {
  const messages: string[] = [];
  for (let one = error; one instanceof Error && messages.length < mostCauses; one = one.cause)
    messages.push(one.message);
  const text = messages.reduceRight(
    (cause, message) => (message.includes(cause) ? message : `${message}: ${cause}`),
    '',
  );
  return error instanceof Error ? text : String(error);
}
