import type { InForce } from './layout.ts';
import { makeSection } from './section.ts';

/** A row of HAProxy's statistics by the names that the state uses. */
export interface StatRow {
  readonly kind: 'frontend' | 'backend' | 'server';
  /** Of the frontend, or of the backend: its id. */
  readonly name: string;
  /** Its id. */
  readonly server?: string;
  /** HAProxy's fields (management guide, 9.1) as they are: `scur`, `bin`, `hrsp_2xx`, `status`…. */
  readonly fields: ReadonlyMap<string, string>;
}

/** Reads `show stat` (CSV). Sections that stand for no backend are left out. */
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

const inner: ReadonlySet<string> = new Set(['be_sni', 'be_no_sni', 'openshift_default']);
