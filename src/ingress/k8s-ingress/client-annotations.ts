import { isName } from '../../base/read/object-meta.ts';
import type { IngressAnnotations } from './annotation-reader.ts';
import type { IngressClients } from './settings.ts';

/** Modes by value of `auth-tls-verify-client`. */
const modes: Readonly<Record<string, IngressClients['mode'] | 'off'>> = {
  on: 'required',
  optional: 'optional',
  optional_no_ca: 'untrusted',
  off: 'off',
};

/**
 * Reads the verification of clients. Returns `off` if the Ingress names authorities, but asks for no certificates, and
 * undefined if it names none.
 */
export function readClients(annotations: IngressAnnotations, namespace: string): IngressClients | 'off' | undefined {
  const written = annotations.text('auth-tls-secret');
  const verify = annotations.text('auth-tls-verify-client');
  const passes = annotations.flag('auth-tls-pass-certificate-to-upstream');
  if (written === undefined) {
    if (verify !== undefined && verify !== 'off')
      annotations.note('auth-tls-verify-client', 'closed', 'needs auth-tls-secret, a Secret with ca.crt');
    annotations.refuse('auth-tls-match-cn', 'closed', 'needs auth-tls-secret, a Secret with ca.crt');
    for (const name of ['auth-tls-verify-depth', 'auth-tls-error-page', 'auth-tls-pass-certificate-to-upstream'])
      annotations.refuse(name, 'ignored', 'has no effect without auth-tls-secret');
    return undefined;
  }
  const mode = Object.hasOwn(modes, verify ?? 'on') ? modes[verify ?? 'on'] : undefined;
  if (mode === undefined)
    annotations.note(
      'auth-tls-verify-client',
      'differs',
      'must be on, off, optional or optional_no_ca; it counts as on',
    );
  if (mode === 'off') {
    for (const name of ['auth-tls-match-cn', 'auth-tls-verify-depth', 'auth-tls-error-page'])
      annotations.refuse(name, 'ignored', 'has no effect with auth-tls-verify-client off');
    return 'off';
  }
  annotations.refuse('auth-tls-error-page', 'differs', 'clients without a valid certificate get 400, and no redirect');
  const secret = readSecret(annotations, namespace, written);
  const subject = annotations.text('auth-tls-match-cn');
  const isOdd = subject !== undefined && !/^CN=[\x20-\x7e]{1,500}$/.test(subject);
  if (isOdd) annotations.note('auth-tls-match-cn', 'closed', 'must be CN= and a regular expression in ASCII');
  const isUnissued = annotations.text('auth-tls-verify-depth') === '0';
  if (isUnissued) {
    const cure = 'remove it if certificates that the authorities issued may be used';
    annotations.note('auth-tls-verify-depth', 'closed', 'the length of certificate chains is not limited', cure);
  } else {
    // ingress-nginx limits chains without the annotation, too. The authorities decide who else may issue.
    const cure = 'limit the authorities in ca.crt by their basicConstraints (pathlen)';
    annotations.refuse('auth-tls-verify-depth', 'differs', 'the length of certificate chains is not limited', cure);
  }
  return {
    mode: mode ?? 'required',
    ...(secret !== undefined && !isOdd && !isUnissued ? { secret } : { isUnfit: true as const }),
    ...(passes === true && { passesCertificate: true as const }),
    ...(subject !== undefined && { subject }),
  };
}

/** Returns `NAMESPACE/NAME` of the Secret. */
function readSecret(annotations: IngressAnnotations, namespace: string, text: string): string | undefined {
  const [, owner = namespace, name = ''] = /^(?:([^/]*)\/)?([^/]*)$/.exec(text) ?? [];
  if (!isName(name)) {
    annotations.note('auth-tls-secret', 'closed', 'must be NAMESPACE/NAME of a Secret');
    return undefined;
  }
  if (owner !== namespace) {
    annotations.note(
      'auth-tls-secret',
      'closed',
      'must be a Secret of the namespace of the Ingress',
      'copy the Secret',
    );
    return undefined;
  }
  return `${namespace}/${name}`;
}
