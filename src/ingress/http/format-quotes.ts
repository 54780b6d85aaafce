/** Escapes of HAProxy's configuration (HAProxy Configuration Manual, "Quoting and escaping"), and of Go's quoted strings. */
const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

/**
 * Returns the text of a format that OpenShift's router writes into HAProxy's configuration as it is. Its operator
 * quotes such values as Go does (`"%{+X}o %ci"`, quotes inside as `\"`); people write them as in a configuration
 * (`%{+X}o\ %ci`). Both are resolved once. A backslash before any other character stays.
 */
export function unquoteFormat(text: string): string {
  const inner = /^"(.*)"$/s.exec(text)?.[1] ?? text;
  return inner.replace(/\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[\\"' #nrt])/g, (_whole, code: string) =>
    code.length > 1 ? String.fromCodePoint(Number.parseInt(code.slice(1), 16)) : (escapes[code] ?? code),
  );
}

/** Splits a list at spaces, except inside double quotes, and resolves quotes and escapes of its words. */
export function splitQuoted(text: string): readonly string[] {
  return (text.match(/"(?:\\.|[^"\\])*"|\S+/gs) ?? []).map(unquoteFormat);
}
