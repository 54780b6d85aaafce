import type { Claim, ClaimsDocument } from '../../ingress/claims/claims-document.ts';
import type { Screen } from '../console.ts';
import { type Cell, type Column, renderTable } from '../table.ts';

const columns: readonly Column[] = [
  { head: 'REQUESTS', fold: 16 },
  { head: 'KIND', drop: 1 },
  { head: 'NAME', fold: 14 },
  { head: 'ADMITTED' },
  { head: 'OWNER', fold: 12, drop: 2 },
  { head: 'CERTIFICATE', drop: 3 },
  { head: 'WHY', fold: 20 },
];

/** Renders `erctl routes`. */
export function renderRoutes({ claims }: ClaimsDocument, screen: Screen): string {
  if (claims.length === 0) return 'No Route requests anything from this agent.\n';
  return renderTable(columns, claims.map(describeClaim), screen);
}

function describeClaim(claim: Claim): Cell[] {
  const listener = claim.listener === undefined ? '' : ` (${claim.listener})`;
  return [
    describePlace(claim),
    claim.kind,
    `${claim.namespace}/${claim.name}${listener}`,
    describeAdmission(claim),
    claim.owner ?? '-',
    claim.certificateExpires === undefined ? '-' : `until ${claim.certificateExpires.slice(0, 10)}`,
    claim.admitted ? explainAdmitted(claim) : `${claim.reason}: ${claim.message}`,
  ];
}

function describeAdmission({ admitted, pending }: Claim): Cell {
  if (!admitted) return { text: 'no', style: 'red' };
  return pending === 'all' ? { text: 'pending', style: 'yellow' } : { text: 'yes', style: 'green' };
}

function explainAdmitted(claim: Claim): string {
  const { message = explainPending(claim), notes = [] } = claim;
  return [message, ...notes.filter((note) => note !== message)].filter((one) => one !== '').join('; ');
}

function explainPending({ pending }: Claim): string {
  if (pending === undefined) return '';
  return { all: 'not in force', change: 'last change not in force', endpoints: 'last endpoints not in force' }[pending];
}

/** Formats `13306/tcp`, `192.0.2.10 80/tcp` at a virtual address, or `shop.example/cart (edge)`. */
function describePlace({ port, protocol, address, host, path = '', termination }: Claim): string {
  if (port !== undefined) return `${address === undefined ? '' : `${address} `}${port}/${protocol}`;
  if (host === undefined) return '-';
  return `${host}${path}${termination === undefined || termination === 'none' ? '' : ` (${termination})`}`;
}
