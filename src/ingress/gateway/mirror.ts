import { isRecord } from '../../base/read/shape.ts';
import { type Fault, wrong } from './matches.ts';
import { isAbsent } from './parts.ts';
import { type RouteBackend, readBackend } from './route.ts';

/** A RequestMirror filter. */
export interface RouteMirror {
  readonly share: RouteBackend;
  /** Part of the requests: `numerator` of `denominator`. */
  readonly numerator: number;
  readonly denominator: number;
}

/** Parses a RequestMirror filter (HTTPRequestMirrorFilter). A backend that cannot be used gets no copies. */
export function readMirror(written: unknown, at: string, home: string): RouteMirror | Fault {
  if (!isRecord(written)) return wrong(at, written, 'must be an object');
  const { backendRef, percent, fraction } = written;
  if (!isAbsent(percent) && !isAbsent(fraction)) {
    return wrong(`${at}.fraction`, fraction, 'must not be set together with percent');
  }
  if (!isAbsent(percent) && !isWhole(percent, 0, 100)) {
    return wrong(`${at}.percent`, percent, 'must be a whole number from 0 to 100');
  }
  const part = isAbsent(fraction) ? { numerator: percent ?? 100 } : isRecord(fraction) ? fraction : {};
  const { numerator, denominator = 100 } = part as { readonly numerator?: unknown; readonly denominator?: unknown };
  if (!isWhole(numerator, 0, 2 ** 31 - 1) || !isWhole(denominator, 1, 2 ** 31 - 1) || numerator > denominator) {
    return wrong(`${at}.fraction`, fraction, 'must have a numerator from 0 to the denominator, which is positive');
  }
  const share: RouteBackend = { ...readBackend(backendRef, home, `${at}.backendRef`), isMirror: true };
  return { share, numerator, denominator };
}

function isWhole(value: unknown, least: number, largest: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= largest;
}
