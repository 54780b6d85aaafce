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

/**
 * Parses `spec.tls.frontend` of a Gateway. An unreadable setting counts as a requirement that cannot be applied.
 *
 * @param tls `spec.tls`
 */
export function readFrontendValidation(tls: unknown, home: string): FrontendValidation | undefined {
  const refuse = (path: string, value: unknown): FrontendValidation => ({
    usual: unreadable('default', path, value),
    perPort: new Map(),
  });
  if (isAbsent(tls)) return undefined;
  if (!isRecord(tls)) return refuse('spec.tls', tls);
  const { frontend } = tls;
  const path = 'spec.tls.frontend';
  if (isAbsent(frontend)) return undefined;
  if (!isRecord(frontend)) return refuse(path, frontend);
  const usual = readConfig(frontend.default, 'default', `${path}.default`, home);
  const list = isAbsent(frontend.perPort) ? [] : frontend.perPort;
  // Entries that are not read could restrict any port.
  if (!Array.isArray(list) || list.length > maxPorts) return refuse(`${path}.perPort`, list);
  const perPort = new Map<number, ClientValidation | undefined>();
  for (const [index, one] of (list as readonly unknown[]).entries()) {
    const { port, tls: setting } = isRecord(one) ? one : {};
    const place = `${path}.perPort[${index}]`;
    if (!isPort(port)) return refuse(`${place}.port`, port);
    const isReadable = isRecord(setting) && !perPort.has(port);
    perPort.set(
      port,
      isReadable ? readConfig(setting, `${port}`, `${place}.tls`, home) : unreadable(`${port}`, place, one),
    );
  }
  return { ...(usual !== undefined && { usual }), perPort };
}

/** Limit of the API for `perPort`, whose ports are unique. */
const maxPorts = 64;

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
  const refusal = `${path} ${showValue(value)}: must be a setting of client certificates, once for each port`;
  return { name, authorities: [], isOptional: false, refusal };
}
