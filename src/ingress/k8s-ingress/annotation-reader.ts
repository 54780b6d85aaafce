import { findClosest } from '../../base/read/closest.ts';
import { boolCure, parseBool } from '../../base/read/parse-bool.ts';
import { showValue } from '../../base/read/show-value.ts';
import type { Finding, Outcome } from './settings.ts';

/** Prefix of the annotations of ingress-nginx. */
export const nginxPrefix = 'nginx.ingress.kubernetes.io/';

/** Maximum number of findings about one object. */
const maxFindings = 60;

/** Prefixes of access rules. An unknown name may be such a rule, and ignoring it would admit clients. */
export const decidesAccess =
  /^(?:auth|allow|deny|white|black|satisfy|enable-(?:global-auth|modsecurity|owasp)|modsecurity)|snippet$/;

/** Returns whether an annotation, of whatever prefix, may restrict access. */
export function isAccessRule(key: string): boolean {
  return !key.startsWith(nginxPrefix) || decidesAccess.test(key.slice(nginxPrefix.length));
}

/** Reads the annotations with one prefix, and records how far each is honored. */
export class IngressAnnotations {
  /** Values by name, without prefix. */
  readonly #values = new Map<string, string>();
  readonly #findings = new Map<string, Finding>();
  readonly #asked = new Set<string>();

  constructor(annotations: Readonly<Record<string, string>>) {
    for (const key in annotations) {
      if (key.startsWith(nginxPrefix)) this.#values.set(key.slice(nginxPrefix.length), annotations[key] ?? '');
    }
  }

  /** Returns the trimmed text of an annotation, or undefined if it is absent. It counts as honored. */
  text(name: string): string | undefined {
    this.#asked.add(name);
    const written = this.#values.get(name);
    if (written === undefined) return undefined;
    if (!this.#findings.has(name)) this.note(name, 'works', '');
    return written.trim();
  }

  /** Returns a boolean; an invalid one counts as absent, as in ingress-nginx. */
  flag(name: string): boolean | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = parseBool(text);
    if (value === undefined) this.note(name, 'refused', `${boolCure}; it is ignored`);
    return value;
  }

  /** Returns a whole number from `least`; an invalid one counts as absent. */
  number(name: string, least: number, most = 2_000_000_000): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = /^\d{1,10}$/.test(text) ? Number(text) : undefined;
    if (value !== undefined && value >= least && value <= most) return value;
    this.note(
      name,
      'refused',
      `must be a number from ${least}${most < 2_000_000_000 ? ` to ${most}` : ''}; it is ignored`,
    );
    return undefined;
  }

  /** Records how far an annotation is honored. The worst outcome counts. */
  note(name: string, outcome: Outcome, message: string, suggestion?: string): void {
    const known = this.#findings.get(name);
    if (known !== undefined && rank(known.outcome) > rank(outcome)) return;
    this.#findings.set(name, {
      subject: `${nginxPrefix}${name}`,
      value: showValue(this.#values.get(name), 60),
      outcome,
      message,
      ...(suggestion !== undefined && { suggestion }),
    });
  }

  /** Records that an annotation, if present, is not honored. */
  refuse(name: string, outcome: Outcome, message: string, suggestion?: string): void {
    if (this.text(name) !== undefined) this.note(name, outcome, message, suggestion);
  }

  /** Returns the findings about all annotations with the prefix, in the order in which they are written. */
  list(): readonly Finding[] {
    for (const name of this.#values.keys()) {
      if (!this.#findings.has(name)) this.#noteUnknown(name);
      if (this.#findings.size >= maxFindings) break;
    }
    return [...this.#findings.values()];
  }

  #noteUnknown(name: string): void {
    const near = findClosest(name, this.#asked);
    const suggestion = near === undefined ? undefined : `write ${nginxPrefix}${near}`;
    if (decidesAccess.test(name)) {
      this.note(name, 'closed', 'is unknown and may restrict access', suggestion ?? 'remove it');
    } else this.note(name, 'ignored', 'is unknown', suggestion);
  }
}

const outcomes: readonly Outcome[] = ['works', 'ignored', 'differs', 'refused', 'closed'];

function rank(outcome: Outcome): number {
  return outcomes.indexOf(outcome);
}
