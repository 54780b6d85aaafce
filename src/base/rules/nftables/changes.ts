/** Returns a line that adds a stateful object, such as `ct timeout idle`. */
export function writeObject(table: string, name: string, body: readonly string[]): string {
  return `add ${withTable(table, name)} { ${body.join('; ')}; }`;
}

/** Inserts the table into the name of a stateful object: `ct timeout idle` becomes `ct timeout inet TABLE idle`. */
export function withTable(table: string, object: string): string {
  const words = object.split(' ');
  return [...words.slice(0, -1), table, words.at(-1)].join(' ');
}
