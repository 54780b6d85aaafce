import type { GatewaySettings } from './model.ts';

/** Returns the numbers of the inner frontends. */
export function innerNumbers({ inner }: GatewaySettings): readonly number[] {
  return Array.from({ length: inner }, (_, index) => index + 1);
}

/** Returns the name of an inner frontend, and of the backend that leads to it. */
export function innerName(number: number): string {
  return `gateway_tls_${number}`;
}

/** Returns the list of certificates of an inner frontend, and its default certificate. */
export function innerFiles(number: number): { readonly list: string; readonly certificate: string } {
  return { list: `certs/inner-${number}.list`, certificate: `certs/inner-${number}.pem` };
}
