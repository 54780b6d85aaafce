/** Addresses that a Gateway may not have, and that it may. */
export const [unusable, usable] = ['203.0.113.77', '10.98.0.190'];

/** Sets a value at a path such as `spec.rules[0].name`, appends to a list, or keeps only some of its items. */
export function setValue(object: object, path: string, value: unknown): void {
  // A key with dots is in quotes.
  const keys = (path.match(/"[^"]*"|[^.[\]]+/g) ?? []).map((key) => key.replaceAll('"', ''));
  const last = keys.pop() ?? '';
  // biome-ignore lint/suspicious/noExplicitAny: any object
  const place = keys.reduce((at: any, key) => at[key], object);
  const { append, keepOnly, removeValueOf } = (typeof value === 'object' && value !== null ? value : {}) as {
    append?: readonly unknown[];
    keepOnly?: readonly string[];
    removeValueOf?: string;
  };
  // The first item is the one that a step has asked about.
  if (removeValueOf !== undefined) place[last] = place[last].slice(1);
  else if (append !== undefined) place[last] = [...place[last], ...append];
  else if (keepOnly !== undefined) {
    place[last] = place[last].filter(({ name }: { readonly name: string }) => keepOnly.includes(name));
  } else place[last] = value;
}

/** A question for the address of a name (RFC 1035 §4). */
export function dnsQuestion(name: string): string {
  const labels = name.split('.').map((label) => `${String.fromCharCode(label.length)}${label}`);
  return `\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00${labels.join('')}\x00\x01\x00\x01`;
}
