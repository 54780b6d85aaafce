import { parseAddress } from '../../base/model/address.ts';
import { parsePort } from '../../base/read/parse-port.ts';

/** A DNS server. */
export interface DnsServer {
  readonly address: string;
  readonly port: number;
}

/** Maximum number of servers, as in glibc (resolv.conf(5)). */
const mostServers = 3;

/**
 * Returns the servers of a resolv.conf(5). An address with a zone identifier is kept, because a link-local server is
 * only reachable with it. Search paths and options are ignored.
 */
export function readResolvConf(text: string): readonly DnsServer[] {
  return text
    .split('\n')
    .flatMap((line) => {
      const [keyword, word = ''] = line.trim().split(/\s+/);
      if (keyword !== 'nameserver') return [];
      const zone = word.indexOf('%');
      const address = parseAddress(zone < 0 ? word : word.slice(0, zone));
      if (address === undefined) return [];
      return [{ address: zone < 0 ? address.text : `${address.text}${word.slice(zone)}`, port: 53 }];
    })
    .slice(0, mostServers);
}

/** Expected form of `--resolver`, for messages. */
export const serversCure = 'must be addresses separated by commas, such as "192.0.2.53" or "[2001:db8::53]:5353"';

/** Parses `IP`, `IP:PORT` and `[IPV6]:PORT`, separated by commas; undefined for any other text. */
export function parseServers(text: string): readonly DnsServer[] | undefined {
  const servers = text.split(',').map((word) => parseServer(word.trim()));
  return servers.includes(undefined) ? undefined : servers.filter((one) => one !== undefined);
}

function parseServer(word: string): DnsServer | undefined {
  const [, host = word, portWord] = /^(\[[^\]]+\]|[^:]+):(\d+)$/.exec(word) ?? [];
  const address = parseAddress(host);
  const port = portWord === undefined ? 53 : parsePort(portWord);
  return address === undefined || port === undefined ? undefined : { address: address.text, port };
}
