import { parseAddress } from '../../base/model/address.ts';
import type { Protocol, Redirect } from '../../base/model/redirect.ts';
import type { InstalledRedirect } from './observation.ts';

/** `iptables -t nat -A ER-net1-T -p tcp -m tcp --dport 8080 -j DNAT --to-destination 203.0.113.26:80`, with or without `[3:180]`. Not those of names, whose chains have an N. */
const iptablesRedirect =
  /^(?:iptables|ip6tables) -t nat (?:\[(\d+):\d+\] )?-A (?!\S+-[TUS]N[0-9a-f]* )\S+ -p (tcp|udp|sctp) -m \w+ --dport (\d+) -j DNAT --to-destination (\S+)$/;

/** `map tcp4: 8080 : 203.0.113.26 . 80` */
const nftRedirect = /^map (tcp|udp|sctp)[46]: (\d+) : (\S+) \. (\d+)$/;

/** Returns whether a line of a rule listing is a redirect. */
export function isRedirectLine(line: string): boolean {
  return iptablesRedirect.test(line) || nftRedirect.test(line);
}

/** Parses the redirects in the router's own rules, as the backends list them. */
export function readInstalledRedirects(lines: readonly string[]): InstalledRedirect[] {
  return lines.flatMap((line): InstalledRedirect[] => {
    const iptables = iptablesRedirect.exec(line);
    if (iptables !== null) {
      const [, opened, protocol, port, endpoint] = iptables;
      const redirect = makeRedirect(protocol, port, ...splitEndpoint(endpoint ?? ''));
      if (redirect === undefined) return [];
      return [opened === undefined ? redirect : { ...redirect, opened: Number(opened) }];
    }
    const nft = nftRedirect.exec(line);
    const redirect = nft === null ? undefined : makeRedirect(nft[1], nft[2], nft[3], nft[4]);
    return redirect === undefined ? [] : [redirect];
  });
}

function splitEndpoint(endpoint: string): [address: string, port?: string] {
  const bracketed = /^\[(\S+)\]:(\d+)$/.exec(endpoint);
  if (bracketed !== null) return [bracketed[1] ?? '', bracketed[2] ?? ''];
  const plain = /^([\d.]+):(\d+)$/.exec(endpoint);
  return plain === null ? [endpoint] : [plain[1] ?? '', plain[2] ?? ''];
}

function makeRedirect(
  protocol: string | undefined,
  port: string | undefined,
  address: string | undefined,
  targetPort?: string,
): Redirect | undefined {
  const target = parseAddress(address ?? '');
  if (target === undefined || protocol === undefined || port === undefined) return undefined;
  const redirect = { protocol: protocol as Protocol, port: Number(port), target };
  return targetPort === undefined || Number(targetPort) === redirect.port
    ? redirect
    : { ...redirect, targetPort: Number(targetPort) };
}
