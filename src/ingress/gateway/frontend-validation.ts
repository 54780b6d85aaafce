import { isRecord } from '../../base/read/shape.ts';
import { showValue } from '../../base/read/show-value.ts';
import { type AuthorityRef, readAuthorityRef } from './backend-tls-policy.ts';
import { isAbsent, isPort, listOf } from './parts.ts';

/** Validation of client certificates on HTTPS listeners (`spec.tls.frontend`). */
export interface FrontendValidation {
  /** For ports without an entry of their own. Absent: none. */
  readonly usual?: ClientValidation;
  /** By port. Undefined in the map: none. */
  readonly perPort: ReadonlyMap<number, ClientValidation | undefined>;
}

/** One setting of client validation. */
export interface ClientValidation {
  /** `default`, or the port. */
  readonly name: string;
  readonly authorities: readonly AuthorityRef[];
  /** Accepts clients without a valid certificate (AllowInsecureFallback). */
  readonly isOptional: boolean;
  /** Why it can never be applied. Its listeners are not served, because they would admit every client. */
  readonly refusal?: string;
}

/** Parses `spec.tls.frontend`. An unreadable setting counts as a requirement that cannot be applied. */
export function readFrontendValidation(written: unknown, home: string): FrontendValidation | undefined {
  if (isAbsent(written)) return undefined;
  const path = 'spec.tls.frontend';
  if (!isRecord(written)) return { usual: unreadable('default', path, written), perPort: new Map() };
  const usual = readConfig(written.default, 'default', `${path}.default`, home);
  const perPort = new Map<number, ClientValidation | undefined>();
  for (const [index, one] of listOf(written.perPort).entries()) {
    const { port, tls } = isRecord(one) ? one : {};
    const place = `${path}.perPort[${index}]`;
    if (!isPort(port)) return { usual: unreadable('default', `${place}.port`, port), perPort: new Map() };
    perPort.set(
      port,
      isRecord(tls) ? readConfig(tls, `${port}`, `${place}.tls`, home) : unreadable(`${port}`, place, tls),
    );
  }
  return { ...(usual !== undefined && { usual }), perPort };
}

function readConfig(written: unknown, name: string, path: string, home: string): ClientValidation | undefined {
  if (isAbsent(written)) return undefined;
  if (!isRecord(written)) return unreadable(name, path, written);
  const { validation } = written;
  if (isAbsent(validation)) return undefined;
  if (!isRecord(validation)) return unreadable(name, `${path}.validation`, validation);
  const mode = validation.mode ?? 'AllowValidOnly';
  const place = `${path}.validation.caCertificateRefs`;
  return {
    name,
    authorities: listOf(validation.caCertificateRefs).map((one, index) =>
      readAuthorityRef(one, `${place}[${index}]`, home),
    ),
    isOptional: mode === 'AllowInsecureFallback',
    ...(mode !== 'AllowValidOnly' &&
      mode !== 'AllowInsecureFallback' && {
        refusal: `${path}.validation.mode ${showValue(mode)}: must be AllowValidOnly or AllowInsecureFallback`,
      }),
  };
}

function unreadable(name: string, path: string, value: unknown): ClientValidation {
  const refusal = `${path} ${showValue(value)}: must be a setting of client certificates`;
  return { name, authorities: [], isOptional: false, refusal };
}
