import type { ListDocument, ListedAttachment } from '../../egress/inspect/list-document.ts';
import type { Screen } from '../console.ts';
import { type Cell, type Column, renderTable } from '../table.ts';

const columns: readonly Column[] = [
  { head: 'POD', fold: 20 },
  { head: 'CONTAINER', drop: 4 },
  { head: 'INTERFACE' },
  { head: 'ADDRESSES', fold: 18 },
  { head: 'MASTER', drop: 3 },
  { head: 'BACKEND', drop: 1 },
  { head: 'PORTS', align: 'right', drop: 2 },
  { head: 'STATE' },
];

/** Length of a container ID, as in `crictl ps`. */
const shownId = 13;

/** Renders `erctl list`. */
export function renderList({ attachments }: ListDocument, screen: Screen): string {
  if (attachments.length === 0) return 'No egress router is attached on this node.\n';
  return renderTable(columns, attachments.map(listRow), screen);
}

function listRow(one: ListedAttachment): Cell[] {
  return [
    one.pod ?? '-',
    one.container.slice(0, shownId),
    one.interface,
    one.addresses.join(' '),
    one.master,
    one.backend,
    one.redirects ?? '-',
    one.state === 'attached' ? { text: 'attached', style: 'green' } : { text: one.state, style: 'yellow' },
  ];
}
