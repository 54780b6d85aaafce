/** Returns an entry of a list in the status file, with the indentation of the list. */
export function writeEntry(entry: object): string {
  return `    ${indent(JSON.stringify(entry, undefined, 2), 4)}`;
}

/** Indents all lines but the first. */
export function indent(text: string, blanks: number): string {
  return text.replaceAll('\n', `\n${' '.repeat(blanks)}`);
}
