/** Formats texts exactly like Go's standard library, because OpenShift's operator is written in Go. */

const named: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

/** Quotes a text like Go's `strconv.Quote`. */
export function quoteGo(text: string): string {
  const inner = Array.from(text, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (named[character] !== undefined) return named[character];
    if (character === ' ' || /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(character)) return character;
    if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`;
    return code > 0xffff ? `\\U${code.toString(16).padStart(8, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
  return `"${inner.join('')}"`;
}

/** Encodes a text like Go's `url.QueryEscape`. */
export function escapeQuery(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+');
}

/** Parses a boolean like Go's `strconv.ParseBool`. */
export function parseGoBool(text: string | undefined): boolean | undefined {
  if (text !== undefined && /^(?:1|t|T|TRUE|true|True)$/.test(text)) return true;
  return text !== undefined && /^(?:0|f|F|FALSE|false|False)$/.test(text) ? false : undefined;
}

/** Formats problems like an aggregate of Go errors: one alone, several in brackets. */
export function joinGoErrors(errors: readonly string[]): string {
  const distinct = [...new Set(errors)];
  return distinct.length === 1 ? (distinct[0] ?? '') : `[${distinct.join(', ')}]`;
}
