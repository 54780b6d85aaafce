import type { Parsed, Problem } from '../../base/model/problem.ts';
import { isRecord } from '../../base/read/shape.ts';
import { showValue } from '../../base/read/show-value.ts';
import { supportedVersions } from '../../egress/api/cni-version.ts';
import { type EgressRouterSpec, parseEgressRouterObject } from '../../egress/api/egress-router.ts';
import { parseNetConf } from '../../egress/api/net-conf.ts';
import type { AttachmentSpec } from '../../egress/model/attachment.ts';
import { listGatewayFaults, listSetFaults } from '../../ingress/gateway/faults.ts';
import { type ClusterObject, readObject } from '../../ingress/objects/kinds.ts';
import { findMisspeltKind } from './misspelt-kind.ts';
import { listStrangeParts, listStrangeSettings } from './strange.ts';

/** A document by its meaning for this project. */
export type Written =
  | {
      readonly kind: 'egress-router';
      readonly title: string;
      readonly namespace?: string;
      readonly name: string;
      /** One router for each address of a pool. */
      readonly read: Parsed<readonly EgressRouterSpec[]>;
    }
  /** A network configuration: on its own, in a list, or in a NetworkAttachmentDefinition. `path` is its position. */
  | { readonly kind: 'net-conf'; readonly title: string; readonly path: string; readonly read: Parsed<AttachmentSpec> }
  /** An object for the ingress agent. */
  | { readonly kind: 'ingress'; readonly title: string; readonly problems: readonly Problem[] }
  | { readonly kind: 'unreadable'; readonly title: string; readonly problems: readonly Problem[] }
  | { readonly kind: 'other'; readonly title: string };

const ownType = 'egress-router';

/**
 * Recognizes a document by its kind or shape and parses it as the plugin and the agent do.
 *
 * @param allowedNames suffixes of names inside the cluster that are allowed as destinations
 */
export function readWritten(document: unknown, allowedNames: readonly string[] = []): Written[] {
  if (!isRecord(document)) {
    return [
      {
        kind: 'unreadable',
        title: 'document',
        problems: [
          {
            path: '(document)',
            value: showValue(document),
            cure: 'must be an object: an EgressRouter, a NetworkAttachmentDefinition or a network configuration',
          },
        ],
      },
    ];
  }
  const title = titleOf(document);
  if (document.kind === 'EgressRouter') return [readRouter(document, title, allowedNames)];
  if (document.kind === 'NetworkAttachmentDefinition') return readDefinition(document, title, allowedNames);
  if (typeof document.kind === 'string') return [readForAgent(document, title)];
  return readConfiguration(document, '', title, allowedNames);
}

function titleOf(document: Record<string, unknown>): string {
  const metadata = isRecord(document.metadata) ? document.metadata : {};
  const name = [metadata.namespace, metadata.name].filter((word) => typeof word === 'string').join('/');
  if (typeof document.kind === 'string') return `${document.kind} ${name}`.trim().slice(0, 300);
  const network = typeof document.name === 'string' ? ` ${document.name}` : '';
  return `${Array.isArray(document.plugins) ? 'network configuration list' : 'network configuration'}${network}`.slice(
    0,
    300,
  );
}

function readRouter(document: Record<string, unknown>, title: string, allowedNames: readonly string[]): Written {
  const metadata = isRecord(document.metadata) ? document.metadata : {};
  const namespace = typeof metadata.namespace === 'string' ? metadata.namespace : undefined;
  return {
    kind: 'egress-router',
    title,
    ...(namespace !== undefined && { namespace }),
    name: typeof metadata.name === 'string' ? metadata.name : 'egress-router',
    read: withMore(parseEgressRouterObject(document, allowedNames), listStrangeParts(document)),
  };
}

/** Adds problems to those of the parser. */
function withMore<T>(read: Parsed<T>, more: readonly Problem[]): Parsed<T> {
  if (more.length === 0) return read;
  return { ok: false, problems: [...(read.ok ? [] : read.problems), ...more] };
}

function readDefinition(document: Record<string, unknown>, title: string, allowedNames: readonly string[]): Written[] {
  const config = isRecord(document.spec) ? document.spec.config : undefined;
  const path = 'spec.config';
  if (typeof config !== 'string') {
    return [
      {
        kind: 'unreadable',
        title,
        problems: [{ path, value: showValue(config), cure: 'must be the network configuration as JSON text' }],
      },
    ];
  }
  let value: unknown;
  try {
    value = JSON.parse(config);
  } catch (error) {
    const reason = error instanceof Error ? error.message.slice(0, 200) : 'not JSON';
    return [
      { kind: 'unreadable', title, problems: [{ path, value: showValue(config), cure: `must be JSON: ${reason}` }] },
    ];
  }
  if (!isRecord(value)) {
    return [
      { kind: 'unreadable', title, problems: [{ path, value: showValue(value), cure: 'must be a JSON object' }] },
    ];
  }
  // Multus gives an unnamed configuration the name of its definition.
  const metadata = isRecord(document.metadata) ? document.metadata : {};
  return readConfiguration({ name: metadata.name, ...value }, path, title, allowedNames);
}

function readConfiguration(
  conf: Record<string, unknown>,
  path: string,
  title: string,
  allowedNames: readonly string[],
): Written[] {
  if (Array.isArray(conf.plugins)) {
    const { cniVersion, name } = conf;
    return conf.plugins.flatMap((plugin: unknown, index): Written[] => {
      if (!isRecord(plugin) || plugin.type !== ownType) return [];
      return [
        readNetConf(
          { ...plugin, cniVersion, name },
          `${path === '' ? '' : `${path}.`}plugins[${index}]`,
          title,
          allowedNames,
        ),
      ];
    });
  }
  if (conf.type !== ownType && !isRecord(conf.ip) && !isRecord(conf.egressRouter)) return [{ kind: 'other', title }];
  return [readNetConf(conf, path, title, allowedNames)];
}

function readNetConf(
  conf: Record<string, unknown>,
  path: string,
  title: string,
  allowedNames: readonly string[],
): Written {
  const read = parseNetConf(conf, undefined, allowedNames);
  const problems: Problem[] = [];
  const { cniVersion, type } = conf;
  if (!supportedVersions.some((version) => version === cniVersion)) {
    problems.push({
      path: 'cniVersion',
      value: showValue(cniVersion),
      cure: `must be one of ${supportedVersions.join(', ')}`,
    });
  }
  if (type !== ownType) problems.push({ path: 'type', value: showValue(type), cure: `must be "${ownType}"` });
  if (!read.ok) problems.push(...read.problems);
  problems.push(...listStrangeSettings(conf));
  return {
    kind: 'net-conf',
    title,
    path,
    read: problems.length === 0 ? read : { ok: false, problems },
  };
}

function readForAgent(document: Record<string, unknown>, title: string): Written {
  const reading = readObject(document);
  if (reading.outcome === 'other') {
    const problem = findMisspeltKind(document);
    return problem === undefined ? { kind: 'other', title } : { kind: 'unreadable', title, problems: [problem] };
  }
  if (reading.outcome === 'unreadable') return { kind: 'unreadable', title, problems: reading.problems };
  return {
    kind: 'ingress',
    title,
    problems: [...listRouteProblems(reading.object), ...listRefusals(reading.object), ...listStrangeParts(document)],
  };
}

/** A field, its value if there is one, and the cure, as messages of statuses join them. */
const problemText = /^(spec[^\s:]*)(?: ("(?:[^"\\]|\\.)*"|\S+|[^:]+))?: (.+)$/s;

/** Returns why the agent would not serve an object of the Gateway API, or parts of it, whatever the cluster contains. */
function listRefusals(object: ClusterObject): readonly Problem[] {
  const { value } = object;
  const refused = 'refusal' in value && value.refusal !== undefined ? [value.refusal] : [];
  const texts = [
    ...refused.map((one) => (typeof one === 'string' ? one : one.message)),
    ...('dropped' in value ? value.dropped : []),
    ...('backends' in value ? value.backends : []).flatMap(({ refusal }) => refusal?.message ?? []),
    ...(object.kind === 'BackendTLSPolicy' ? object.value.authorities : []).flatMap(
      ({ refusal }) => refusal?.message ?? [],
    ),
    ...(object.kind === 'Gateway' ? listGatewayFaults(object.value) : []),
    ...(object.kind === 'ListenerSet' ? listSetFaults(object.value) : []),
  ];
  return Array.from(new Set(texts), (text): Problem => {
    const [, path = 'spec', shown = '', cure = text] = problemText.exec(text) ?? [];
    return { path, value: shown, cure };
  });
}

/** Returns the problems of a Route in both data planes, without duplicates. */
function listRouteProblems(object: ClusterObject): readonly Problem[] {
  if (object.kind !== 'Route') return [];
  const { ports, http } = object.value;
  const found = [ports?.demand, http].flatMap((part) => (part === undefined || part.ok ? [] : part.problems));
  // In a cluster, an invalid annotation is ignored and reported in the status.
  const warnings = http.ok ? http.value.warnings : [];
  const problems = [...found, ...warnings.filter(({ path }) => !found.some((one) => one.path === path))];
  return problems.filter(
    (problem, index) =>
      problems.findIndex(({ path, cure }) => path === problem.path && cure === problem.cure) === index,
  );
}
