/**
 * Makes something when it is first asked for, once. For schemas that most runs of the CNI executable
 * never use: to make one costs up to a millisecond, which every pod would pay.
 */
export function lazily<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
