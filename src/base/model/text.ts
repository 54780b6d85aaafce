/**
 * Controls, invisible format characters (among them those that turn the direction of writing),
 * lone surrogates and line separators: whoever writes them into a name or a setting could forge
 * lines of a log or hide what stands in a message.
 */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Nearly all text is this, and is told apart ten times faster than by the classes of Unicode. */
const plain = /^[\x20-\x7e]*$/;

/** The text on one line, with every character that cannot be seen written as `\uXXXX`. */
export function escapeUnprintable(text: string): string {
  if (plain.test(text)) return text;
  return text.replace(unprintable, (character) => {
    const hex = (character.codePointAt(0) ?? 0).toString(16);
    return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, '0')}`;
  });
}

/** One or several lines without anything to escape. */
const plainLines = /^[\x20-\x7e\n]*$/;

/** JSON, with every character that cannot be seen escaped as JSON does it: the same document, safe on a terminal. */
export function escapeJson(json: string): string {
  if (plainLines.test(json)) return json;
  return json.replace(unprintable, (character) =>
    // A line break can only be white space between the parts here.
    character === '\n'
      ? character
      : Array.from({ length: character.length }, (_, at) => escapeUnit(character, at)).join(''),
  );
}

function escapeUnit(text: string, at: number): string {
  return `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`;
}

/** As {@link escapeUnprintable}, but line breaks and tabs stay: for text of several lines that we laid out. */
export function escapeLines(text: string): string {
  return text
    .split('\n')
    .map((line) => line.split('\t').map(escapeUnprintable).join('\t'))
    .join('\n');
}

/** No error has more causes, unless it is its own. */
const mostCauses = 10;

/** An error and its causes in one line, nothing of it twice. */
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
