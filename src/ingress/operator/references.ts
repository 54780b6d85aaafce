import { hash } from 'node:crypto';
import { isRecord } from '../../base/read/shape.ts';
import { type ListIssuer, planRevocation, type RevocationPlan } from './crl/issuers.ts';
import { namesOf, places } from './names.ts';
import { makeObject, type RouterObject } from './objects.ts';
import type { IngressControllerSpec } from './spec.ts';

/** Reads an observed object by namespace and name. */
export type Find = (namespace: string, name: string) => unknown;

/** The objects to which an IngressController refers, as far as they exist. */
export interface References {
  /** Copies in the namespace of routers. */
  readonly copies: readonly RouterObject[];
  readonly errorPages: readonly ('404' | '503')[] | undefined;
  /** Digest of the copied files. */
  readonly digest: string;
  /** Objects that do not exist or lack a key, one line each. */
  readonly missing: readonly string[];
  /** Content of these objects without effect, one line each. */
  readonly ignored: readonly string[];
  /** How revocation lists of client certificates are used, and the bundle of authorities that decides it. */
  readonly revocation: { readonly plan: RevocationPlan; readonly bundle: string };
  /** Whether the router must not start, because it would admit any client without its certificate authorities. */
  readonly isBlocked: boolean;
}

/**
 * Reads the ConfigMaps and the Secret that a spec names. Keeps a copy whose source is gone, because starting pods
 * need it.
 */
export function readReferences(
  owner: string,
  spec: IngressControllerSpec,
  find: { readonly configMap: Find; readonly secret: Find },
): References {
  const names = namesOf(owner);
  const missing: string[] = [];
  const ignored: string[] = [];
  const { defaultCertificate, clientTLS, httpErrorCodePages } = spec;
  if (defaultCertificate?.name && find.secret(places.routers, defaultCertificate.name) === undefined) {
    missing.push(`Secret ${places.routers}/${defaultCertificate.name} of spec.defaultCertificate does not exist`);
  }
  /** Returns the data of the source, or of the copy if the source is gone. */
  const read = (name: string, copy: string, field: string): Data | undefined => {
    const source = dataOf(find.configMap(places.configuration, name));
    if (source === undefined) {
      missing.push(`ConfigMap ${places.configuration}/${name} of ${field} does not exist`);
    }
    return source ?? dataOf(find.configMap(places.routers, copy));
  };
  const copies: RouterObject[] = [];
  let isBlocked = false;
  let revocation: References['revocation'] = { plan: { kind: 'none' }, bundle: '' };
  const authorities = clientTLS?.clientCertificatePolicy ? clientTLS.clientCA?.name : undefined;
  if (authorities) {
    const data = read(authorities, names.clientAuthorities, 'spec.clientTLS.clientCA');
    const bundle = data?.['ca-bundle.pem'];
    if (data !== undefined && bundle === undefined) {
      missing.push(
        `ConfigMap ${places.configuration}/${authorities} of spec.clientTLS.clientCA has no key ca-bundle.pem`,
      );
    }
    revocation = { plan: planRevocation(bundle ?? ''), bundle: bundle ?? '' };
    if (revocation.plan.kind === 'unusable') ignored.push(describeUnusable(revocation.plan.uncovered));
    if (bundle === undefined) isBlocked = true;
    else copies.push(copy(owner, names.clientAuthorities, { 'ca-bundle.pem': bundle }));
  }
  let errorPages: References['errorPages'];
  if (httpErrorCodePages?.name) {
    const data = read(httpErrorCodePages.name, names.errorPages, 'spec.httpErrorCodePages');
    if (data !== undefined) {
      copies.push(copy(owner, names.errorPages, data));
      errorPages = (['503', '404'] as const).filter((code) => data[`error-page-${code}.http`] !== undefined);
    }
  }
  const contents = copies.map(({ name, body }) => [name, body.data]);
  const digest = contents.length === 0 ? '' : hash('sha256', JSON.stringify(contents)).slice(0, 16);
  return { copies, errorPages, digest, missing, ignored, revocation, isBlocked };
}

function describeUnusable(uncovered: readonly ListIssuer[]): string {
  const authorities = uncovered.map(({ title, otherPlaces }) =>
    otherPlaces.length === 0 ? title : `${title} (only ${otherPlaces.join(', ')})`,
  );
  return `spec.clientTLS.clientCA: revocation lists are not used, so revoked client certificates are admitted until they expire: no certificate of the bundle names a list over http or https of ${authorities.join('; ')}, and HAProxy would refuse all clients of an authority without a list; add a certificate that names it, remove the authority, or use short-lived certificates`;
}

type Data = Readonly<Record<string, string>>;

function copy(owner: string, name: string, data: Data): RouterObject {
  return makeObject('configMaps', owner, name, { data });
}

function dataOf(object: unknown): Data | undefined {
  if (!isRecord(object)) return undefined;
  const entries = Object.entries(isRecord(object.data) ? object.data : {});
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}
