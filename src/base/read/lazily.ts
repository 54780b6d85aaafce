/**
 * Returns a function that creates a value on first use. Creating a schema takes up to a millisecond, which the
 * CNI plugin would spend for every pod, although most calls use only a few schemas.
 */
export function lazily<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
