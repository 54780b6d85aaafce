import { type Address, parseAddress } from '../../base/model/address.ts';
import type { Parsed } from '../../base/model/problem.ts';
import { type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord } from '../../base/read/shape.ts';
import { showValue } from '../../base/read/show-value.ts';
import { type FrontendValidation, readFrontendValidation } from './frontend-validation.ts';
import {
  type AllowedNamespaces,
  type CertificateRef,
  type ReadListeners,
  readCertificateRef,
  readListeners,
  readNamespaces,
} from './listener.ts';
import { isAbsent } from './parts.ts';

/** An address that a Gateway requests. */
export interface GatewayAddress {
  /** `IPAddress`, `Hostname`, or a controller-specific type. */
  readonly type: string;
  /** Absent: any of the type. */
  readonly value?: string;
}

/** A Gateway (gateway.networking.k8s.io/v1). An invalid listener does not affect the others. */
export interface Gateway extends ReadListeners {
  readonly meta: ObjectMeta;
  readonly className: string;
  /** Requested addresses. Empty: any. */
  readonly addresses: readonly GatewayAddress[];
  /** Addresses in its status. */
  readonly recorded: readonly Address[];
  /** Namespaces whose ListenerSets may add listeners. */
  readonly allowedSets: AllowedNamespaces;
  /** Whether it sets `parametersRef`, which this controller does not support. */
  readonly hasParameters: boolean;
  /** Validation of client certificates on HTTPS listeners. Absent: none. */
  readonly clientValidation?: FrontendValidation;
  /** The certificate that it presents to backends (`spec.tls.backend.clientCertificateRef`). Absent: none. */
  readonly clientCertificate?: CertificateRef;
}

/** Parses a Gateway. */
export function parseGateway(input: unknown): Parsed<Gateway> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems);
  const spec = isRecord(input) ? input.spec : undefined;
  const { gatewayClassName, listeners, addresses, infrastructure, tls, allowedListeners } = isRecord(spec) ? spec : {};
  if (!isRecord(spec)) problems.add('spec', spec, 'must be the spec of a Gateway');
  else if (typeof gatewayClassName !== 'string') {
    problems.add('spec.gatewayClassName', gatewayClassName, 'must be the name of a GatewayClass');
  } else if (!isAbsent(listeners) && !Array.isArray(listeners))
    problems.add('spec.listeners', listeners, 'must be a list of listeners');
  const clientValidation = readFrontendValidation(tls, meta?.namespace ?? '');
  return problems.finish(() => ({
    meta: meta as ObjectMeta,
    className: gatewayClassName as string,
    ...readListeners(Array.isArray(listeners) ? listeners : [], meta?.namespace ?? ''),
    addresses: readAddresses(addresses),
    allowedSets: readAllowedSets(allowedListeners),
    recorded: readAddresses(gatewayAddressesOf(input)).flatMap(({ value = '' }) => parseAddress(value) ?? []),
    hasParameters: hasParameters(infrastructure),
    ...(clientValidation !== undefined && { clientValidation }),
    ...readClientCertificate(tls, meta?.namespace ?? ''),
  }));
}

/** Returns the namespaces of allowed ListenerSets: none by default, and if the setting is invalid. */
function readAllowedSets(written: unknown): AllowedNamespaces {
  const { namespaces } = isRecord(written) ? written : {};
  const { from, selector } = isRecord(namespaces) ? namespaces : {};
  const read = readNamespaces(from ?? 'None', selector);
  return typeof read === 'string' ? { from: 'None' } : read;
}

/** Returns `status.addresses` as received, the only part of a Gateway's status that the agent reads. */
export function gatewayAddressesOf(input: unknown): unknown {
  return isRecord(input) && isRecord(input.status) ? input.status.addresses : undefined;
}

/** An unreadable setting counts as parameters. */
function hasParameters(infrastructure: unknown): boolean {
  if (isAbsent(infrastructure)) return false;
  return !isRecord(infrastructure) || !isAbsent(infrastructure.parametersRef);
}

/** Returns the certificate for backends. An unreadable setting counts as a reference that cannot be used. */
function readClientCertificate(tls: unknown, home: string): Pick<Gateway, 'clientCertificate'> {
  if (isAbsent(tls)) return {};
  if (!isRecord(tls)) return { clientCertificate: readCertificateRef(tls, 'spec.tls', home) };
  const { backend } = tls;
  if (isAbsent(backend)) return {};
  if (!isRecord(backend)) return { clientCertificate: readCertificateRef(backend, 'spec.tls.backend', home) };
  const { clientCertificateRef } = backend;
  if (isAbsent(clientCertificateRef)) return {};
  return { clientCertificate: readCertificateRef(clientCertificateRef, 'spec.tls.backend.clientCertificateRef', home) };
}

/** Returns requested addresses. An unreadable one has a type that no address has: it must not count as any address. */
function readAddresses(written: unknown): readonly GatewayAddress[] {
  if (isAbsent(written)) return [];
  if (!Array.isArray(written)) return [{ type: showValue(written) }];
  return written.map((one: unknown): GatewayAddress => {
    const { type, value } = isRecord(one) ? one : {};
    const isReadable =
      isRecord(one) && (isAbsent(type) || typeof type === 'string') && (isAbsent(value) || typeof value === 'string');
    if (!isReadable) return { type: showValue(one) };
    return {
      type: typeof type === 'string' ? type : 'IPAddress',
      ...(typeof value === 'string' && value !== '' && { value }),
    };
  });
}
