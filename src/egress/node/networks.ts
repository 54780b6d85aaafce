import { isRecord } from '../../base/read/shape.ts';

/**
 * Returns the definition of a pod's interface from Multus's annotation, which is JSON or `NAMESPACE/NAME@INTERFACE`
 * separated by commas. Unnamed interfaces are net1, net2 and so on by position (Kubernetes Network Custom Resource
 * Definition standard §4.1.2).
 *
 * @returns `NAMESPACE/NAME`, or undefined if the annotation does not contain the interface
 */
export function findDefinition(annotation: unknown, podNamespace: string, ifname: string): string | undefined {
  if (typeof annotation !== 'string') return undefined;
  const networks = annotation.trimStart().startsWith('[') ? readJson(annotation) : readShort(annotation);
  const found = networks.find((one, index) => (one.interface ?? `net${index + 1}`) === ifname);
  return found && `${found.namespace ?? podNamespace}/${found.name}`;
}

interface NetworkWords {
  readonly name: string;
  readonly namespace: string | undefined;
  readonly interface: string | undefined;
}

function readJson(text: string): readonly NetworkWords[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return [];
  }
  const optional = (value: unknown): string | undefined =>
    typeof value === 'string' && value !== '' ? value : undefined;
  return (Array.isArray(list) ? list : []).map((one: unknown) => {
    const words = isRecord(one) ? one : {};
    return { name: String(words.name), namespace: optional(words.namespace), interface: optional(words.interface) };
  });
}

function readShort(text: string): readonly NetworkWords[] {
  return text.split(',').map((word) => {
    const [, namespace, name = '', link] = /^(?:([^/]+)\/)?([^/@]+)(?:@(.+))?$/.exec(word.trim()) ?? [];
    return { name, namespace, interface: link };
  });
}
