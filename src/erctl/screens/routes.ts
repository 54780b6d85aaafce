import type { Claim, ClaimsDocument } from '../../api/claims-document.ts';
import type { Screen } from '../console.ts';
import { type Cell, type Column, renderTable } from '../table.ts';

const columns: readonly Column[] = [
  { head: 'PORT' },
  { head: 'KIND', drop: 1 },
  { head: 'NAME', fold: 14 },
  { head: 'ADMITTED' },
  { head: 'OWNER', fold: 12, drop: 2 },
  { head: 'WHY', fold: 20 },
];

/** The screen of `erctl routes`. */
export function renderRoutes({ claims }: ClaimsDocument, screen: Screen): string {
  if (claims.length === 0) return 'No Route asks this agent for a port.\n';
  return renderTable(columns, claims.map(describeClaim), screen);
}

function describeClaim(claim: Claim): Cell[] {
  const listener = claim.listener === undefined ? '' : ` (${claim.listener})`;
  return [
    claim.port === undefined ? '-' : `${claim.port}/${claim.protocol}`,
    claim.kind,
    `${claim.namespace}/${claim.name}${listener}`,
    claim.admitted ? { text: 'yes', style: 'green' } : { text: 'no', style: 'red' },
    claim.owner ?? '-',
    claim.admitted ? '' : `${claim.reason}: ${claim.message}`,
  ];
}
