import type { Parsed } from '../../base/model/problem.ts';
import { isHostName, isLabelName, isName, type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord } from '../../base/read/shape.ts';
import { showValue } from '../../base/read/show-value.ts';
import { isAbsent, listOf } from './parts.ts';
import type { Refusal } from './refusal.ts';

/** A BackendTLSPolicy (gateway.networking.k8s.io/v1): TLS between the router and the endpoints of Services. */
export interface BackendTlsPolicy {
  readonly meta: ObjectMeta;
  readonly targets: readonly PolicyTarget[];
  /** TLS server name, which the endpoints' certificates must contain. */
  readonly hostname: string;
  /** ConfigMaps with CA certificates. */
  readonly authorities: readonly AuthorityRef[];
  /** Why the policy as a whole cannot be applied. The Services then answer with errors. */
  readonly refusal?: string;
}

/** A Service that a policy applies to. */
export interface PolicyTarget {
  readonly service: string;
  /** Name of one of its ports. Absent: every port for which no other policy names it. */
  readonly section?: string;
}

/** A reference to CA certificates. */
export interface AuthorityRef {
  /** JSON path, for messages. */
  readonly path: string;
  /** Absent: {@link refusal}. */
  readonly name?: string;
  readonly namespace?: string;
  readonly refusal?: Refusal<'InvalidKind' | 'InvalidCACertificateRef'>;
}

/**
 * Parses a BackendTLSPolicy. A policy with invalid fields is not ignored, because its Services would then get requests
 * without TLS.
 */
export function parseBackendTlsPolicy(input: unknown): Parsed<BackendTlsPolicy> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems);
  const spec = isRecord(input) && isRecord(input.spec) ? input.spec : {};
  const validation = isRecord(spec.validation) ? spec.validation : {};
  const { hostname, caCertificateRefs, wellKnownCACertificates, subjectAltNames } = validation;
  const isNamed = typeof hostname === 'string' && isHostName(hostname.toLowerCase());
  const refusal =
    refuse(isNamed, 'hostname', hostname, 'must be a host name without wildcard') ??
    refuse(
      isEmpty(subjectAltNames),
      'subjectAltNames',
      subjectAltNames,
      'is not supported, because HAProxy verifies the hostname only; remove it',
    ) ??
    refuse(
      isAbsent(wellKnownCACertificates) || wellKnownCACertificates === '',
      'wellKnownCACertificates',
      wellKnownCACertificates,
      'is not supported, because the router has no system CA certificates; name a ConfigMap in caCertificateRefs',
    );
  return problems.finish(() => ({
    meta: meta as ObjectMeta,
    targets: listOf(spec.targetRefs).flatMap(readTarget),
    hostname: isNamed ? hostname.toLowerCase() : '',
    authorities: listOf(caCertificateRefs).map((one, index) =>
      readAuthorityRef(one, `spec.validation.caCertificateRefs[${index}]`, meta?.namespace ?? ''),
    ),
    ...(refusal !== undefined && { refusal }),
  }));
}

function isEmpty(value: unknown): boolean {
  return isAbsent(value) || (Array.isArray(value) && value.length === 0);
}

function refuse(isGood: boolean, field: string, value: unknown, cure: string): string | undefined {
  return isGood ? undefined : `spec.validation.${field} ${showValue(value)}: ${cure}`;
}

/** Skips targets that are not Services, which other controllers serve. */
function readTarget(written: unknown): readonly PolicyTarget[] {
  const { group, kind, name, sectionName } = isRecord(written) ? written : {};
  if ((group ?? '') !== '' || kind !== 'Service' || typeof name !== 'string' || !isLabelName(name)) return [];
  return [{ service: name, ...(typeof sectionName === 'string' && sectionName !== '' && { section: sectionName }) }];
}

/** Parses a reference to a ConfigMap with CA certificates. `path` is its place, for messages. */
export function readAuthorityRef(written: unknown, path: string, home: string): AuthorityRef {
  const { group, kind, namespace, name } = isRecord(written) ? written : {};
  if ((group ?? '') !== '' || kind !== 'ConfigMap') {
    const message = `${path}.kind ${showValue(kind)} of group ${showValue(group ?? '')}: must be a ConfigMap`;
    return { path, refusal: { reason: 'InvalidKind', message } };
  }
  const there = namespace ?? home;
  if (typeof name === 'string' && isName(name) && typeof there === 'string' && isLabelName(there)) {
    return { path, name, namespace: there };
  }
  const message = `${path}.name ${showValue(name)}: must be the name of a ConfigMap`;
  return { path, refusal: { reason: 'InvalidCACertificateRef', message } };
}
