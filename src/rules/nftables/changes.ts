/** An element of a map or set; a set's have no value. */
interface CollectionElement {
  readonly collection: string;
  readonly key: string;
  readonly value: string;
}

/** Lines that delete and add elements, one of each for every collection; deletions come first, since a key may change its value. */
export function writeElementChanges(
  table: string,
  gone: readonly CollectionElement[],
  come: readonly CollectionElement[],
): string[] {
  return [
    ...groupByCollection(gone).map(
      ([collection, list]) => `delete element ${table} ${collection} { ${list.map(({ key }) => key).join(', ')} }`,
    ),
    ...groupByCollection(come).map(
      ([collection, list]) =>
        `add element ${table} ${collection} { ${list
          .map(({ key, value }) => (value === '' ? key : `${key} : ${value}`))
          .join(', ')} }`,
    ),
  ];
}

function groupByCollection(elements: readonly CollectionElement[]): [string, CollectionElement[]][] {
  const groups = new Map<string, CollectionElement[]>();
  for (const element of elements) {
    const group = groups.get(element.collection);
    if (group === undefined) groups.set(element.collection, [element]);
    else group.push(element);
  }
  return [...groups];
}

/** A line that adds a stateful object, such as `ct timeout idle`. */
export function writeObject(table: string, name: string, body: readonly string[]): string {
  return `add ${withTable(table, name)} { ${body.join('; ')}; }`;
}

/** A stateful object with its table: `ct timeout idle` is `ct timeout inet TABLE idle` outside of it. */
export function withTable(table: string, object: string): string {
  const words = object.split(' ');
  return [...words.slice(0, -1), table, words.at(-1)].join(' ');
}
