import type { Group } from '../../../../src/ingress/intent/group.ts';
import type { SiteListener } from '../../../../src/ingress/intent/listener.ts';
import type { Match } from '../../../../src/ingress/intent/match.ts';
import type { SiteRequest } from '../../../../src/ingress/intent/site-request.ts';
import type { SiteSource } from '../../../../src/ingress/intent/site-source.ts';

/** A toy route: matches without filters, each with a group of its own. */
export interface ToyRoute {
  readonly name: string;
  readonly namespace?: string;
  readonly age?: number;
  /** By listener. */
  readonly hosts: Readonly<Record<string, readonly string[]>>;
  readonly rules: readonly ToyRule[];
}

/** A match, and the Services of its group: `web`, or `web=3` with a weight. */
export interface ToyRule extends Pick<Match, 'path' | 'method' | 'headers' | 'params'> {
  readonly services: readonly string[];
  readonly group?: Partial<Group>;
  readonly filters?: Partial<Match['filters']>;
}

const epoch = Date.UTC(2026, 0, 1);

export function makeListener(id: string, changes: Partial<SiteListener> = {}): SiteListener {
  const [gateway = ''] = id.split('/');
  const meta = { namespace: 'infra', name: gateway, uid: gateway, created: epoch, labels: {} };
  return { id, owner: { kind: 'Gateway', meta }, addresses: ['10.0.0.1'], port: 80, protocol: 'HTTP', ...changes };
}

/** A source of toy routes and their listeners. */
export class GatewayToys implements SiteSource {
  readonly kind = 'Toy';
  readonly listeners = new Map<string, SiteListener>();
  readonly #requests = new Map<string, readonly SiteRequest[]>();
  readonly #changed = new Set<string>();

  put(...routes: readonly ToyRoute[]): void {
    for (const route of routes) {
      const key = `${route.namespace ?? 'shop'}/${route.name}`;
      this.#requests.set(key, translate(route));
      this.#changed.add(key);
    }
  }

  delete(name: string): void {
    this.#requests.delete(name);
    this.#changed.add(name);
  }

  listen(...listeners: readonly SiteListener[]): void {
    for (const listener of listeners) this.listeners.set(listener.id, listener);
  }

  listListeners(): Iterable<SiteListener> {
    return this.listeners.values();
  }

  listChanged(): Iterable<string> {
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }

  translate(key: string): readonly SiteRequest[] {
    return this.#requests.get(key) ?? [];
  }

  listSecrets(): Iterable<string> {
    return [];
  }
}

/** Returns a name as host and span. */
export function spanOf(pattern: string): Pick<SiteRequest, 'host' | 'span'> {
  if (pattern === '*') return { span: 'all' };
  return pattern.startsWith('*.') ? { span: 'labels', host: pattern.slice(2) } : { span: 'host', host: pattern };
}

function translate({ name, namespace = 'shop', age = 0, hosts, rules }: ToyRoute): readonly SiteRequest[] {
  const owner: SiteRequest['owner'] = {
    kind: 'Toy',
    meta: { namespace, name, uid: `toy-${namespace}-${name}`, created: epoch + age * 1000, labels: {} },
    label: `${namespace}:toy.${name}`,
    fields: { host: 'spec.hostnames', path: 'spec.rules', wildcard: 'spec.hostnames' },
    merge: 'Gateway',
  };
  const demand: SiteRequest['demand'] = {
    ok: true,
    value: {
      matches: rules.map(({ path, method, headers, params, filters }, group) => ({
        path,
        ...(method !== undefined && { method }),
        ...(headers !== undefined && { headers }),
        ...(params !== undefined && { params }),
        filters: { requestHeaders: [], responseHeaders: [], adjustsCase: false, ...filters },
        group,
      })),
      groups: rules.map(({ services, group }) => ({
        shares: services.map((text) => {
          const [service = '', weight = '1'] = text.split('=');
          return { service, weight: Number(weight) };
        }),
        errors: { invalid: 500 },
        ...group,
      })),
      access: { limits: {} },
      warnings: [],
      ignored: [],
    },
  };
  return Object.entries(hosts).flatMap(([listener, names]) =>
    names.map((pattern) => ({ owner, listener, ...spanOf(pattern), demand })),
  );
}
