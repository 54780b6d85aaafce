import type { WatchDocument } from '../../egress/inspect/watch-document.ts';
import type { Screen } from '../console.ts';
import { type Cell, type Column, renderTable, renderText } from '../table.ts';
import { formatBytes, formatCount } from '../units.ts';

const columns: readonly Column[] = [
  { head: 'PORT' },
  { head: 'TARGET', fold: 16 },
  { head: 'LIVE', align: 'right' },
  { head: 'NEW', align: 'right', drop: 1 },
  { head: 'OUT/s', align: 'right' },
  { head: 'IN/s', align: 'right' },
];

/** Renders one frame of `erctl watch`. `rows` is the number of rows that fit on the screen; the busiest come first. */
export function renderWatch(document: WatchDocument, screen: Screen, rows: number): string {
  const { pod, container, interface: link, seconds, counted } = document;
  const busiest = document.rows.toSorted((one, other) => weightOf(other) - weightOf(one));
  const shown = busiest
    .slice(0, rows)
    .map((row): Cell[] => [
      row.rule,
      row.target,
      formatCount(row.connections),
      formatCount(row.opened),
      formatBytes(row.bytesOutPerSecond),
      formatBytes(row.bytesInPerSecond),
    ]);
  const more = busiest.length - shown.length;
  return [
    renderText(`Egress router ${pod ?? container}, ${link}: ${seconds.toFixed(1)} s`, screen, '', 'bold'),
    renderTable(columns, shown, screen),
    more > 0 ? `… and ${more} more\n` : '',
    counted ? '' : renderText('Note: bytes are not counted here (net.netfilter.nf_conntrack_acct is 0).', screen),
  ].join('');
}

function weightOf(row: WatchDocument['rows'][number]): number {
  return (row.bytesOutPerSecond + row.bytesInPerSecond) * 1000 + row.connections;
}
