import type { Claim, ClaimsDocument } from '../../ingress/claims/claims-document.ts';
import type { Screen } from '../console.ts';
import { type Cell, type Column, renderTable } from '../table.ts';

const columns: readonly Column[] = [
  { head: 'ASKS FOR', fold: 16 },
  { head: 'KIND', drop: 1 },
  { head: 'NAME', fold: 14 },
  { head: 'ADMITTED' },
  { head: 'OWNER', fold: 12, drop: 2 },
  { head: 'CERTIFICATE', drop: 3 },
  { head: 'WHY', fold: 20 },
];

/** The screen of `erctl routes`. */
export function renderRoutes({ claims }: ClaimsDocument, screen: Screen): string {
  if (claims.length === 0) return 'No Route asks anything of this agent.\n';
  return renderTable(columns, claims.map(describeClaim), screen);
}

function describeClaim(claim: Claim): Cell[] {
  const listener = claim.listener === undefined ? '' : ` (${claim.listener})`;
  return [
    describePlace(claim),
    claim.kind,
    `${claim.namespace}/${claim.name}${listener}`,
    claim.admitted ? { text: 'yes', style: 'green' } : { text: 'no', style: 'red' },
    claim.owner ?? '-',
    claim.certificateExpires === undefined ? '-' : `until ${claim.certificateExpires.slice(0, 10)}`,
    claim.admitted ? (claim.message ?? '') : `${claim.reason}: ${claim.message}`,
  ];
}

/** `13306/tcp`, or `shop.example/cart (edge)`. */
function describePlace({ port, protocol, host, path = '', termination }: Claim): string {
  if (port !== undefined) return `${port}/${protocol}`;
  if (host === undefined) return '-';
  return `${host}${path}${termination === undefined || termination === 'none' ? '' : ` (${termination})`}`;
}
