import type { InspectDocument, RouterReport } from '../../egress/inspect/report-document.ts';
import { paint, type Screen } from '../console.ts';
import { type Cell, type Column, capitalise, renderTable, renderText } from '../table.ts';
import { formatBytes, formatCount } from '../units.ts';

const unnamed: readonly Column[] = [{ head: '' }, { head: '', fold: 20 }];
/** Rows of redirects and connections that are shown without `--all`. */
const shownRows = 20;

/** Renders `erctl inspect`. The verdict comes last, because that is what remains visible on a terminal. */
export function renderInspection({ routers }: InspectDocument, screen: Screen, showsAll: boolean): string {
  return routers.map((router) => renderRouter(router, screen, showsAll)).join('\n');
}

function renderRouter(router: RouterReport, screen: Screen, showsAll: boolean): string {
  const title = router.pod ?? router.container;
  return [
    renderText(`Egress router ${title}, ${router.interface.name}`, screen, '', 'bold'),
    renderTable(unnamed, describeHead(router), screen, '  '),
    section(
      screen,
      'Routes',
      renderTable(
        [{ head: '', fold: 20 }],
        router.routes.map((route) => [route]),
        screen,
        '  ',
      ),
    ),
    section(
      screen,
      'Policy rules',
      renderTable(
        [{ head: '', fold: 20 }],
        router.policyRules.map((rule) => [rule]),
        screen,
        '  ',
      ),
    ),
    section(screen, `Redirects (${router.backend})`, renderRedirects(router, screen, showsAll)),
    section(screen, 'Connections', renderConnections(router, screen, showsAll)),
    router.attempts.length === 0 ? '' : section(screen, 'Tried from the pod', renderAttempts(router, screen)),
    '\n',
    renderVerdict(router, screen),
  ].join('');
}

function section(screen: Screen, title: string, body: string): string {
  return `\n${renderText(title, screen, '', 'bold')}${body === '' ? '  none\n' : body}`;
}

function describeHead(router: RouterReport): Cell[][] {
  const { interface: link } = router;
  const words = [
    link.up === undefined ? 'missing' : link.up ? 'up' : 'down',
    ...(link.mode === undefined ? [] : [`${link.kind ?? 'macvlan'} ${link.mode} on ${link.master || '?'}`]),
    ...(link.mtu === undefined ? [] : [`MTU ${link.mtu}`]),
    ...(link.mac === undefined ? [] : [link.mac]),
  ];
  return [
    ['Container', router.container],
    ['Namespace', router.netns],
    ['Interface', { text: `${link.name}: ${words.join(', ')}`, style: link.up === true ? 'green' : 'red' }],
    ...router.podInterfaces.map(({ name, addresses }): Cell[] => [
      'Clients by',
      `${name}: ${addresses.join(', ') || 'no address'}`,
    ]),
    ...router.addresses.map(({ address }): Cell[] => ['Reserved', address]),
    ...router.addresses.map(({ gateway }): Cell[] => ['Gateway', describeGateway(gateway)]),
    ...(router.tracking === undefined
      ? []
      : [['Tracked', `${router.tracking.count} of ${router.tracking.maximum} connections`]]),
  ];
}

function describeGateway({ address, answer, mac, neighbour }: RouterReport['addresses'][number]['gateway']): Cell {
  const words = { answers: 'answers', silent: 'silent', unasked: 'was not probed' }[answer];
  const details = [mac, neighbour === undefined ? undefined : `neighbour ${neighbour}`].filter(
    (one) => one !== undefined,
  );
  const text = `${address} ${words}${details.length === 0 ? '' : ` (${details.join(', ')})`}`;
  return answer === 'unasked' ? text : { text, style: answer === 'answers' ? 'green' : 'red' };
}

const redirectColumns: readonly Column[] = [
  { head: 'PORT' },
  { head: 'TARGET', fold: 16 },
  { head: 'RULE' },
  { head: 'LIVE', align: 'right' },
  { head: 'PACKETS', align: 'right', drop: 2 },
  { head: 'BYTES', align: 'right', drop: 3 },
  { head: 'OPENED', align: 'right', drop: 1 },
];

function renderRedirects(
  { redirects, fallbacks, names = [] }: RouterReport,
  screen: Screen,
  showsAll: boolean,
): string {
  const rows = [
    ...redirects.map((one): Cell[] => [
      `${one.port}/${one.protocol}`,
      one.target.includes(':') ? `[${one.target}]:${one.targetPort}` : `${one.target}:${one.targetPort}`,
      one.installed ? { text: 'installed', style: 'green' } : { text: 'missing', style: 'red' },
      ...describeLive(one.live),
      one.opened === undefined ? '-' : formatCount(one.opened),
    ]),
    ...names.map((one): Cell[] => [
      one.port === undefined ? 'other' : `${one.port}/${one.protocol}`,
      `${one.name}${one.targetPort === undefined ? '' : `:${one.targetPort}`} (${one.addresses.join(', ') || 'no address'})`,
      one.addresses.length === 0 ? { text: 'refused', style: 'red' } : { text: 'resolved', style: 'green' },
      ...describeLive(one.live),
      '-',
    ]),
    ...fallbacks.map((one): Cell[] => ['other', one.target, '', ...describeLive(one.live), '-']),
  ];
  return renderRows(redirectColumns, rows, screen, showsAll);
}

function describeLive({ connections, packets, bytes }: RouterReport['redirects'][number]['live']): Cell[] {
  return [
    formatCount(connections),
    packets === undefined ? '-' : formatCount(packets),
    bytes === undefined ? '-' : formatBytes(bytes),
  ];
}

const connectionColumns: readonly Column[] = [
  { head: 'CLIENT', fold: 16 },
  { head: 'PORT' },
  { head: 'TARGET', fold: 16 },
  { head: 'SEEN AS', drop: 1 },
  { head: 'STATE', drop: 2 },
  { head: 'BYTES', align: 'right', drop: 3 },
];

function renderConnections({ connections }: RouterReport, screen: Screen, showsAll: boolean): string {
  const rows = connections.map((one): Cell[] => [
    one.client,
    `${one.port}/${one.protocol}`,
    one.target,
    one.source,
    one.state,
    one.bytes === undefined ? '-' : formatBytes(one.bytes),
  ]);
  return renderRows(connectionColumns, rows, screen, showsAll);
}

function renderRows(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  screen: Screen,
  showsAll: boolean,
): string {
  if (rows.length === 0) return '';
  const shown = showsAll ? rows : rows.slice(0, shownRows);
  const more = rows.length - shown.length;
  return renderTable(columns, shown, screen, '  ') + (more > 0 ? `  … and ${more} more; --all shows them\n` : '');
}

function renderAttempts({ attempts }: RouterReport, screen: Screen): string {
  const rows = attempts.map(({ target, outcome, milliseconds }): Cell[] => [
    target,
    { text: outcome, style: outcome === 'connected' ? 'green' : 'red' },
    `${milliseconds} ms`,
  ]);
  return renderTable([{ head: '' }, { head: '' }, { head: '', align: 'right' }], rows, screen, '  ');
}

function renderVerdict({ problems, uncertain, notes }: RouterReport, screen: Screen): string {
  const told = notes.map((note) => renderText(`Note: ${note}.`, screen, '  ')).join('');
  if (problems.length === 0 && uncertain === true) {
    const verdict = 'No problems found, but rules of other programs may disturb connections: see the notes.';
    return `${told}${paint(screen, 'yellow', verdict)}\n`;
  }
  if (problems.length === 0) return `${told}${paint(screen, 'green', 'Healthy: no problems found.')}\n`;
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  const lines = problems.map(({ what, cure }, index) =>
    renderText(`${index + 1}. ${capitalise(what)}. Cure: ${cure}.`, screen, '   ', 'red'),
  );
  return `${told}${paint(screen, 'bold', `Not healthy: ${count}`)}\n${lines.join('')}`;
}
