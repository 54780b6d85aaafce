import { type Address, parseAddress } from '../../base/model/address.ts';
import type { Parsed } from '../../base/model/problem.ts';
import { type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord } from '../../base/read/shape.ts';
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
  const { frontend, backend } = isRecord(tls) ? tls : {};
  const clientValidation = readFrontendValidation(frontend, meta?.namespace ?? '');
  return problems.finish(() => ({
    meta: meta as ObjectMeta,
    className: gatewayClassName as string,
    ...readListeners(Array.isArray(listeners) ? listeners : [], meta?.namespace ?? ''),
    addresses: readAddresses(addresses),
    allowedSets: readAllowedSets(allowedListeners),
    recorded: readAddresses(gatewayAddressesOf(input)).flatMap(({ value = '' }) => parseAddress(value) ?? []),
    hasParameters: isRecord(infrastructure) && isRecord(infrastructure.parametersRef),
    ...(clientValidation !== undefined && { clientValidation }),
    ...readClientCertificate(backend, meta?.namespace ?? ''),
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

function readClientCertificate(backend: unknown, home: string): Pick<Gateway, 'clientCertificate'> {
  const written = isRecord(backend) ? backend.clientCertificateRef : undefined;
  if (isAbsent(written)) return {};
  return { clientCertificate: readCertificateRef(written, 'spec.tls.backend.clientCertificateRef', home) };
}

function readAddresses(written: unknown): readonly GatewayAddress[] {
  return (Array.isArray(written) ? written : []).map((one): GatewayAddress => {
    const { type, value } = isRecord(one) ? one : {};
    return {
      type: typeof type === 'string' ? type : 'IPAddress',
      ...(typeof value === 'string' && value !== '' && { value }),
    };
  });
}
