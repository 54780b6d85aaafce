/** A line that adds a stateful object, such as `ct timeout idle`. */
export function writeObject(table: string, name: string, body: readonly string[]): string {
  return `add ${withTable(table, name)} { ${body.join('; ')}; }`;
}

/** A stateful object with its table: `ct timeout idle` is `ct timeout inet TABLE idle` outside of it. */
export function withTable(table: string, object: string): string {
  const words = object.split(' ');
  return [...words.slice(0, -1), table, words.at(-1)].join(' ');
}
