import type { KubeObject } from './api-server.ts';

/** The parts of an object's path, or of a list's. */
export function parsePath(path: string) {
  const [, root = '', namespace = '', plural = '', name, part] =
    /^(\/api\/v1|\/apis\/[^/]+\/[^/]+)\/namespaces\/([^/]+)\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(path) ?? [];
  return { root, namespace, plural, name, part };
}

export type LabelSelector = (object: KubeObject) => boolean;

/** `labelSelector` of a request: `KEY=VALUE` and `KEY`, all of them. */
export function parseSelector(url: URL): LabelSelector {
  const words = (url.searchParams.get('labelSelector') ?? '').split(',').filter((word) => word !== '');
  return ({ metadata }) => {
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
