import { isName } from '../../base/read/object-meta.ts';
import type { IngressAnnotations } from './annotation-reader.ts';
import type { IngressLogin } from './settings.ts';

/** The realm without `auth-realm`. */
const usualRealm = 'Authentication Required';

/** Reads basic authentication. Returns undefined without it, and if it cannot be enforced. */
export function readLogin(annotations: IngressAnnotations, namespace: string): IngressLogin | undefined {
  const type = annotations.text('auth-type');
  if (type === undefined) {
    for (const name of ['auth-secret', 'auth-secret-type', 'auth-realm']) {
      annotations.refuse(name, 'ignored', 'has no effect without auth-type');
    }
    return undefined;
  }
  if (type !== 'basic') {
    const words = type === 'digest' ? 'digest authentication is not supported' : 'must be basic';
    annotations.note('auth-type', 'closed', words, 'write basic');
  }
  const secret = readSecret(annotations, namespace, type);
  const format = annotations.text('auth-secret-type') ?? 'auth-file';
  if (format !== 'auth-file' && format !== 'auth-map') {
    annotations.note('auth-secret-type', 'closed', 'must be auth-file or auth-map');
  }
  const realm = readRealm(annotations);
  if (type !== 'basic' || secret === undefined) return undefined;
  return { secret, format: format === 'auth-map' ? 'map' : 'file', realm };
}

/** Returns `NAMESPACE/NAME` of the Secret. */
function readSecret(annotations: IngressAnnotations, namespace: string, type: string): string | undefined {
  const text = annotations.text('auth-secret');
  if (text === undefined) {
    if (type === 'basic') annotations.note('auth-type', 'closed', 'needs auth-secret, the name of a Secret with users');
    return undefined;
  }
  const [, owner = namespace, name = ''] = /^(?:([^/]*)\/)?([^/]*)$/.exec(text) ?? [];
  if (!isName(name)) {
    annotations.note('auth-secret', 'closed', 'must be the name of a Secret');
    return undefined;
  }
  if (owner !== namespace) {
    annotations.note('auth-secret', 'closed', 'must be a Secret of the namespace of the Ingress', 'copy the Secret');
    return undefined;
  }
  return `${namespace}/${name}`;
}

/** HAProxy does not escape the realm in its header. */
function readRealm(annotations: IngressAnnotations): string {
  const text = annotations.text('auth-realm');
  if (text === undefined || text === '') return usualRealm;
  if (/^[\x20-\x7e]{1,128}$/.test(text) && !/["\\%]/.test(text)) return text;
  annotations.note(
    'auth-realm',
    'differs',
    `must be at most 128 printable ASCII characters without quotation marks, backslashes and "%"; ${JSON.stringify(usualRealm)} is used`,
  );
  return usualRealm;
}
