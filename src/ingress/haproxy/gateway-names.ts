import type { GatewaySettings } from './model.ts';

/**
 * Number of the inner frontend for listeners on the router's own port. They do not share the certificates of Routes, so that
 * no listener can answer for the name of a Route.
 */
export const ownInner = 0;

/** Returns the numbers of the inner frontends. */
export function innerNumbers({ inner }: GatewaySettings): readonly number[] {
  return Array.from({ length: inner + 1 }, (_, index) => index);
}

/** Returns the name of an inner frontend, and of the backend that leads to it. */
export function innerName(number: number): string {
  return `gateway_tls_${number}`;
}

/** Returns the list of certificates of an inner frontend, and its default certificate. */
export function innerFiles(number: number): { readonly list: string; readonly certificate: string } {
  return { list: `certs/inner-${number}.list`, certificate: `certs/inner-${number}.pem` };
}
