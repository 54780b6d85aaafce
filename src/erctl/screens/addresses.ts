import type { AddressesDocument } from '../../ingress/pools/addresses-document.ts';
import { paint, type Screen } from '../console.ts';
import { type Cell, type Column, renderTable } from '../table.ts';

type SeenAddress = AddressesDocument['addresses'][number];
type Member = AddressesDocument['members'][number];
type Move = AddressesDocument['moves'][number];

const addressColumns: readonly Column[] = [
  { head: 'ADDRESS' },
  { head: 'OWNER', fold: 16 },
  { head: 'HOLDER' },
  { head: 'SINCE' },
  { head: 'NEXT', drop: 2 },
  { head: 'POOL', drop: 1 },
  { head: 'WHY', fold: 20 },
];
const memberColumns: readonly Column[] = [{ head: 'NODE' }, { head: 'STATE' }, { head: 'HEARD' }];
const moveColumns: readonly Column[] = [
  { head: 'MOVED' },
  { head: 'ADDRESS' },
  { head: 'FROM' },
  { head: 'TO' },
  { head: 'REASON' },
];
/** Number of moves on the screen; `--output json` has all. */
const shownMoves = 10;

/** Renders `erctl addresses`. */
export function renderAddresses(
  { addresses, members, moves, pools, problem, at }: AddressesDocument,
  screen: Screen,
): string {
  const notice = problem === undefined ? '' : `${paint(screen, 'yellow', problem)}\n\n`;
  if (pools.length === 0 && addresses.length === 0)
    return 'There are no virtual addresses; create an IngressAddressPool.\n';
  const list =
    addresses.length === 0
      ? 'No address has an owner.\n'
      : renderTable(
          addressColumns,
          addresses.map((one) => describeAddress(one, at)),
          screen,
        );
  const free = pools.map(({ name, assigned, free: left, problems }) =>
    [`Pool ${name}: ${assigned} assigned, ${left} free`, ...problems].join('; '),
  );
  const nodes =
    members.length === 0
      ? ''
      : `\n${renderTable(
          memberColumns,
          members.map((one) => describeMember(one, at)),
          screen,
        )}`;
  const last = moves.slice(-shownMoves).reverse();
  const moved =
    last.length === 0
      ? ''
      : `\n${renderTable(
          moveColumns,
          last.map((one) => describeMove(one, at)),
          screen,
        )}`;
  return `${notice}${list}\n${free.map((line) => `${line}\n`).join('')}${nodes}${moved}`;
}

function describeAddress(
  { address, owner, holder, since, next, pool, state, rival, draining, reason }: SeenAddress,
  at: number,
): Cell[] {
  const why = [
    state === 'conflict' ? `claimed by ${rival ?? 'another machine'}` : '',
    draining === undefined || draining === 0 ? '' : `${draining} connections drain here`,
    reason ?? '',
  ];
  return [
    address,
    owner,
    describeHolder(state, holder),
    since === undefined ? '-' : formatAge(at - since),
    next ?? '-',
    pool,
    why.filter((one) => one !== '').join('; '),
  ];
}

function describeHolder(state: SeenAddress['state'], holder: string | undefined): Cell {
  switch (state) {
    case 'held':
    case 'elsewhere':
      return { text: holder ?? '-', style: 'green' };
    case 'handing-over':
      return { text: `${holder ?? '-'} (handing over)`, style: 'yellow' };
    case 'conflict':
      return { text: 'none (conflict)', style: 'red' };
    case 'unknown':
      return { text: 'unknown', style: 'yellow' };
    default:
      return { text: 'none', style: 'red' };
  }
}

function describeMember({ node, alive, ready, lastHeard }: Member, at: number): Cell[] {
  const state: Cell = !alive
    ? { text: 'silent', style: 'red' }
    : ready
      ? { text: 'ready', style: 'green' }
      : { text: 'not ready', style: 'yellow' };
  return [node, state, lastHeard === undefined ? 'never' : `${formatAge(at - lastHeard)} ago`];
}

function describeMove({ address, from = '-', to = '-', at: moment, reason }: Move, at: number): Cell[] {
  return [`${formatAge(at - moment)} ago`, address, from, to, reason];
}

/** Formats milliseconds: `0.3s`, `12s`, `5m`, `3h`, `2d`. */
function formatAge(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)}s`;
  if (seconds < 120) return `${Math.round(seconds)}s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)}h`;
  return `${Math.round(seconds / 86_400)}d`;
}
