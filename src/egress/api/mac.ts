const pattern = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/;

/** The expected form of a MAC address, for messages. */
export const macCure = 'must be a unicast MAC address such as "02:00:00:12:34:56"';

/**
 * Parses a MAC address with octets separated by `:` or `-`; returns it in lower case with `:`. Rejects group
 * addresses and all zeros.
 */
export function parseMac(text: string): string | undefined {
  if (text.length !== 17) return undefined;
  const mac = text.toLowerCase().replaceAll('-', ':');
  const isGroup = (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
  return pattern.test(mac) && !isGroup && mac !== '00:00:00:00:00:00' ? mac : undefined;
}
