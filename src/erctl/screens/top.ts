import type { WatchDocument } from '../../egress/inspect/watch-document.ts';
import type { Screen } from '../console.ts';
import { type Cell, type Column, renderTable, renderText } from '../table.ts';
import { formatBytes, formatCount } from '../units.ts';

const columns: readonly Column[] = [
  { head: 'POD', fold: 20 },
  { head: 'INTERFACE', drop: 2 },
  { head: 'LIVE', align: 'right' },
  { head: 'NEW', align: 'right', drop: 1 },
  { head: 'OUT/s', align: 'right' },
  { head: 'IN/s', align: 'right' },
];

/** Traffic of one router: the sum of its rules. */
interface Total {
  readonly document: WatchDocument;
  readonly connections: number;
  readonly opened: number;
  readonly out: number;
  readonly back: number;
}

/** Renders one frame of `erctl top`. `rows` is the number of rows that fit on the screen; the busiest come first. */
export function renderTop(documents: readonly WatchDocument[], screen: Screen, rows: number): string {
  const totals = documents.map(sum).sort((one, other) => weightOf(other) - weightOf(one));
  const shown = totals
    .slice(0, rows)
    .map(({ document, connections, opened, out, back }): Cell[] => [
      document.pod ?? document.container.slice(0, 13),
      document.interface,
      formatCount(connections),
      formatCount(opened),
      formatBytes(out),
      formatBytes(back),
    ]);
  const seconds = Math.max(0, ...documents.map((document) => document.seconds));
  const more = totals.length - shown.length;
  const isCounted = documents.every(({ counted }) => counted);
  return [
    renderText(`Egress routers of this node: ${seconds.toFixed(1)} s`, screen, '', 'bold'),
    renderTable(columns, shown, screen),
    more > 0 ? `… and ${more} more\n` : '',
    isCounted
      ? ''
      : renderText('Note: some routers do not count bytes (net.netfilter.nf_conntrack_acct is 0).', screen),
  ].join('');
}

function sum(document: WatchDocument): Total {
  const add = (read: (row: WatchDocument['rows'][number]) => number) =>
    document.rows.reduce((total, row) => total + read(row), 0);
  return {
    document,
    connections: add(({ connections }) => connections),
    opened: add(({ opened }) => opened),
    out: add(({ bytesOutPerSecond }) => bytesOutPerSecond),
    back: add(({ bytesInPerSecond }) => bytesInPerSecond),
  };
}

function weightOf({ out, back, connections }: Total): number {
  return (out + back) * 1000 + connections;
}
