import type { Address } from './address.ts';

/** Formats an address with its port, if there is one: `192.0.2.1:80`, `[2001:db8::1]:80`. */
export function renderEndpoint(endpoint: { readonly address: Address; readonly port?: number }): string {
  const { address, port } = endpoint;
  if (port === undefined) return address.text;
  return address.family === 4 ? `${address.text}:${port}` : `[${address.text}]:${port}`;
}
