const pattern = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/;

/** What a MAC address must be, for messages. */
export const macCure = 'must be the MAC address of one host, such as "02:00:00:12:34:56"';

/**
 * Reads a MAC address, octets separated by `:` or `-`, into lower case with `:`. Group addresses and
 * all zeros are no host's.
 */
export function parseMac(text: string): string | undefined {
  if (text.length !== 17) return undefined;
  const mac = text.toLowerCase().replaceAll('-', ':');
  const isGroup = (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
  return pattern.test(mac) && !isGroup && mac !== '00:00:00:00:00:00' ? mac : undefined;
}
