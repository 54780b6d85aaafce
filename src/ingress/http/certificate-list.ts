import { isDeepStrictEqual } from 'node:util';
import { byAge } from '../claims/order.ts';
import type { Certificate } from '../haproxy/model.ts';
import type { ServedSite } from './served-site.ts';
import { nameOf } from './sites.ts';
import type { VerifiedPlan } from './verified-hosts.ts';

const nothing: VerifiedPlan['hosts'] = new Map();

/**
 * The certificates of all requests. HTTP/2 is offered if no other request has the same certificate; otherwise a browser
 * would send requests for one host over the connection of another. If several requests have the same host, the
 * certificate of the oldest counts.
 */
export class CertificateList {
  readonly #hasHttp2: boolean;
  /** Requests with a certificate, by label. */
  readonly #sites = new Map<string, ServedSite>();
  /** Number of requests per certificate, by fingerprint. */
  readonly #users = new Map<string, number>();
  #isChanged = true;
  #verified: VerifiedPlan['hosts'] = nothing;
  #last: { readonly own: ReadonlyMap<string, Certificate>; readonly others: readonly Certificate[] } | undefined;

  constructor(hasHttp2: boolean) {
    this.#hasHttp2 = hasHttp2;
  }

  add(one: ServedSite): void {
    if (one.keyPair === undefined) return;
    this.#sites.set(keyOf(one), one);
    this.#count(one.keyPair.fingerprint, 1);
  }

  remove(one: ServedSite): void {
    if (one.keyPair === undefined || !this.#sites.delete(keyOf(one))) return;
    this.#count(one.keyPair.fingerprint, -1);
  }

  /**
   * @param before the previous list; equal entries reuse its objects
   * @param verified hosts with frontends of their own
   */
  list(
    before: ReadonlyMap<string, Certificate> | undefined,
    verified: VerifiedPlan['hosts'] = nothing,
  ): ReadonlyMap<string, Certificate> {
    if (before !== undefined && !this.#isChanged && verified === this.#verified) return before;
    this.#isChanged = false;
    this.#verified = verified;
    const hosts = new Map<string, string>();
    const certificates = new Map<string, Certificate>();
    for (const [name, one] of this.#sites) {
      const host = nameOf(one);
      const rival = hosts.get(host);
      if (rival !== undefined && isOlder(this.#sites.get(rival), one)) continue;
      if (rival !== undefined) certificates.delete(rival);
      hosts.set(host, name);
      const { pem = '', fingerprint = '' } = one.keyPair ?? {};
      const http2 = this.#hasHttp2 && this.#users.get(fingerprint) === 1;
      const known = before?.get(name);
      // Its frontend admits only requests for the host of the connection.
      const inner = verified.get(host)?.inner || undefined;
      const isOffered = inner === undefined ? http2 : this.#hasHttp2;
      const isSame =
        known?.pem === pem && known.http2 === isOffered && known.hosts[0] === host && known.inner === inner;
      const made = { name, pem, hosts: [host], http2: isOffered, ...(inner !== undefined && { inner }) };
      certificates.set(name, isSame ? known : made);
    }
    return certificates;
  }

  /**
   * Returns the list with certificates of other listeners, which have frontends of their own.
   *
   * @param before the previous result; equal entries reuse its objects
   * @param verified hosts with frontends of their own
   */
  listWith(
    others: readonly Certificate[],
    before: ReadonlyMap<string, Certificate> | undefined,
    verified: VerifiedPlan['hosts'] = nothing,
  ): ReadonlyMap<string, Certificate> {
    const last = this.#last;
    this.#last = { own: this.list(last?.own, verified), others };
    if (before !== undefined && last?.own === this.#last.own && last.others === others) return before;
    return addCertificates(this.#last.own, others, before);
  }

  #count(fingerprint: string, step: 1 | -1): void {
    this.#isChanged = true;
    const users = (this.#users.get(fingerprint) ?? 0) + step;
    if (users === 0) this.#users.delete(fingerprint);
    else this.#users.set(fingerprint, users);
  }
}

function keyOf({ request: { owner } }: ServedSite): string {
  return owner.label;
}

function isOlder(one: ServedSite | undefined, other: ServedSite): boolean {
  return one !== undefined && byAge(one.request.owner, other.request.owner) < 0;
}

function addCertificates(
  own: ReadonlyMap<string, Certificate>,
  others: readonly Certificate[],
  before: ReadonlyMap<string, Certificate> | undefined,
): ReadonlyMap<string, Certificate> {
  if (others.length === 0) return own;
  const all = new Map(own);
  for (const one of others) {
    const known = before?.get(one.name);
    all.set(one.name, known !== undefined && isDeepStrictEqual(known, one) ? known : one);
  }
  return all;
}
