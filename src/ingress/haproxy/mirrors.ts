import type { Mirror } from './model.ts';
import { checkAuthority, checkToken, UnfitValue } from './quote.ts';

/** Maximum number of servers of all mirrors of a backend: a map value must fit into a command. */
const mostServers = 200;

/**
 * Returns the mirrors of a backend as `TENANT NUMERATOR/DENOMINATOR;OPTION=SERVER,SERVER …`, or undefined if none has a
 * server. {@link exchangeScript} reads it. Throws {@link UnfitValue}.
 */
export function mirrorsValue(mirrors: readonly Mirror[], tenant = '-'): string | undefined {
  const used = mirrors.filter(({ servers, numerator }) => servers.length > 0 && numerator > 0);
  if (used.length === 0) return undefined;
  const most = Math.max(1, Math.floor(mostServers / used.length));
  const parts = used.map(({ servers, numerator, denominator, host, isBodiless, isOriginal }) => {
    if (![numerator, denominator].every((one) => Number.isInteger(one) && one >= 1 && one < 2 ** 31))
      throw new UnfitValue(`mirror of ${numerator}/${denominator}: must be positive integers`);
    const list = servers.slice(0, most).map(({ address: { family, text }, port }) => {
      if (!Number.isInteger(port) || port < 1 || port > 65535) throw new UnfitValue(`mirror port ${port}: not 1–65535`);
      return `${family === 6 ? `[${text}]` : text}:${port}`;
    });
    const options = [
      host !== undefined && `;host:${checkAuthority(host)}`,
      isBodiless === true && ';bodiless',
      isOriginal === true && ';original',
    ].filter((option) => option !== false);
    return `${numerator}/${denominator}${options.join('')}=${list.join()}`;
  });
  return [checkToken('tenant', tenant), ...parts].join(' ');
}
