import type { OptionReader } from '../../base/daemon/reader.ts';
import { parsePortRanges } from '../claims/port-ranges.ts';
import type { Settings } from '../haproxy/model.ts';
import type { HttpOptionName } from './option-table.ts';

/** Ports of HAProxy for listeners: the first half for HTTP, the second one for TLS. */
export function readListenerPorts(reader: OptionReader<HttpOptionName>): Settings['gateways'] {
  const parse = (text: string) => {
    const [range, ...rest] = parsePortRanges(text) ?? [];
    const count = range === undefined ? 0 : range.to - range.from + 1;
    return rest.length === 0 && count >= 2 && count <= 1024 && count % 2 === 0 ? range : undefined;
  };
  const range = reader.read('listener-ports', parse, 'must be a range of an even number of ports, such as 61000-61063');
  if (range === undefined) return undefined;
  const half = (range.to - range.from + 1) / 2;
  const middle = range.from + half;
  // Most listeners ask for no client certificates.
  const few = Math.max(1, Math.ceil(half / 4));
  const ports = { http: { from: range.from, to: middle - 1 }, tls: { from: middle, to: range.to } };
  return { ports, inner: half, clients: few, ended: few, sites: 2 * few };
}
