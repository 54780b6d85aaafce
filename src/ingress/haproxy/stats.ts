import type { InForce } from './layout.ts';
import { makeSection } from './section.ts';

/** A row of HAProxy's statistics with the names of the state. */
export interface StatRow {
  readonly kind: 'frontend' | 'backend' | 'server';
  /** Name of the frontend, or ID of the backend. */
  readonly name: string;
  /** ID of the server. */
  readonly server?: string;
  /** HAProxy's fields (management guide, 9.1): `scur`, `bin`, `hrsp_2xx`, `status`…. */
  readonly fields: ReadonlyMap<string, string>;
}

/** Parses `show stat` (CSV). Sections without a backend are omitted. */
export function readStatRows(text: string, inForce: InForce): StatRow[] {
  const [header = '', ...lines] = text.split('\n');
  const names = header.replace(/^# /, '').split(',');
  const backends = new Map([...inForce.layout.sections].map(([id, section]) => [section, id]));
  const servers = new Map<string, ReadonlyMap<string, { readonly id: string }>>();
  return lines.flatMap((line): StatRow[] => {
    const cells = line.split(',');
    const [section = '', server = ''] = cells;
    if (cells.length < 3) return [];
    const fields = new Map(names.map((name, i) => [name, cells[i] ?? '']));
    if (server === 'FRONTEND') return section === 'health' ? [] : [{ kind: 'frontend', name: section, fields }];
    const id = backends.get(section);
    if (id === undefined)
      return inner.has(section) && server === 'BACKEND' ? [{ kind: 'backend', name: section, fields }] : [];
    if (server === 'BACKEND') return [{ kind: 'backend', name: id, fields }];
    let known = servers.get(section);
    if (known === undefined) {
      const backend = inForce.state.backends.get(id);
      known = backend === undefined ? new Map() : makeSection(backend, inForce.state.authorities).servers;
      servers.set(section, known);
    }
    const found = known.get(server);
    return found === undefined ? [] : [{ kind: 'server', name: id, server: found.id, fields }];
  });
}

/**
 * Returns the number of requests and connections in a section, including queued ones, from the answer to `show stat
 * SECTION 2 -1`.
 */
export function countUsers(text: string): number | undefined {
  const [header = '', line = ''] = text.split('\n');
  const names = header.replace(/^# /, '').split(',');
  const cells = line.split(',');
  const [sessions, queued] = ['scur', 'qcur'].map((name) => Number.parseInt(cells[names.indexOf(name)] ?? '', 10));
  return sessions === undefined || queued === undefined || Number.isNaN(sessions + queued)
    ? undefined
    : sessions + queued;
}

const inner: ReadonlySet<string> = new Set(['be_sni', 'be_no_sni', 'openshift_default']);
