import { isRecord } from '../../../src/base/read/shape.ts';
import type { KubeObject } from './api-server.ts';

/** The parts of an object's path, or of a list's. */
export function parsePath(path: string) {
  const [, root = '', namespace = '', plural = '', name, part] =
    /^(\/api\/v1|\/apis\/[^/]+\/[^/]+)\/namespaces\/([^/]+)\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(path) ?? [];
  return { root, namespace, plural, name, part };
}

export type LabelSelector = (object: KubeObject) => boolean;

/** `labelSelector` of a request: `KEY=VALUE` and `KEY`, all of them; and a `fieldSelector` of `metadata.name`. */
export function parseSelector(url: URL): LabelSelector {
  const words = (url.searchParams.get('labelSelector') ?? '').split(',').filter((word) => word !== '');
  const name = /^metadata\.name=(.+)$/.exec(url.searchParams.get('fieldSelector') ?? '')?.[1];
  return ({ metadata }) => {
    if (name !== undefined && metadata.name !== name) return false;
    const labels = (metadata.labels ?? {}) as Readonly<Record<string, unknown>>;
    return words.every((word) => {
      const [key = '', value] = word.split('=');
      return value === undefined ? labels[key] !== undefined : labels[key] === value;
    });
  };
}

/** `NAMESPACE/NAME` of an object. */
export function keyOf({ metadata: { namespace, name } }: KubeObject): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** What a server with these lists answers to `/apis/GROUP` and `/apis/GROUP/VERSION`; undefined for other paths. */
export function describeGroup(path: string, collections: readonly string[]): object | undefined {
  const [, group, version] = /^\/apis\/([^/]+)(?:\/([^/]+))?$/.exec(path) ?? [];
  if (group === undefined) return undefined;
  const served = collections.filter((one) => one.startsWith(`${path}/`)).map((one) => one.split('/'));
  if (served.length === 0) return undefined;
  if (version !== undefined) {
    const resources = served.map(([, , , , plural = '']) => ({ name: plural, kind: kindOf(plural), namespaced: true }));
    return { kind: 'APIResourceList', groupVersion: `${group}/${version}`, resources };
  }
  const versions = [...new Set(served.map(([, , , one]) => one))].map((one) => ({
    version: one,
    groupVersion: `${group}/${one}`,
  }));
  return { kind: 'APIGroup', name: group, versions, preferredVersion: versions[0] };
}

/** The kind of the resources that tests use. */
function kindOf(plural: string): string {
  const kinds = ['Gateway', 'TCPRoute', 'UDPRoute', 'ReferenceGrant', 'Route', 'EgressRouter', 'Lease', 'Deployment'];
  return kinds.find((kind) => `${kind.toLowerCase()}s` === plural) ?? plural;
}

/** A JSON merge patch (RFC 7396): null takes a field away. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const merged: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], value);
  }
  return merged;
}
