import type { Address } from '../model/address.ts';

/** An address, with its port if there is one; IPv6 in brackets then. */
export function renderEndpoint(endpoint: { readonly address: Address; readonly port?: number }): string {
  const { address, port } = endpoint;
  if (port === undefined) return address.text;
  return address.family === 4 ? `${address.text}:${port}` : `[${address.text}]:${port}`;
}
