/** Encodes a value as HAProxy's `url_enc` does. */
export function encodeValue(value: string): string {
  return encodeURIComponent(value).replaceAll(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}
