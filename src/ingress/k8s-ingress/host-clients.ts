import { isDeepStrictEqual } from 'node:util';
import type { ReferenceState } from '../intent/references.ts';
import type { ClientDemand } from '../intent/site-request.ts';
import { nginxPrefix } from './annotation-reader.ts';
import type { HostClients } from './peers.ts';
import type { Finding, IngressClients } from './settings.ts';

/** Returns the state of a Secret with client authorities, or undefined if Secrets are not known. */
export type ClientStates = (secret: string) => ReferenceState | undefined;

/** The decision about the clients of a host. */
export interface DecidedClients {
  readonly demand: ClientDemand;
  /** Why the host is closed. */
  readonly problem?: string;
  /** The Secret has not been read yet. */
  readonly isWaiting?: true;
}

/**
 * Decides about the clients of a host. A host whose clients cannot be verified is closed.
 *
 * @param host empty: all
 */
export function decideClients(found: HostClients, host: string, states: ClientStates): DecidedClients {
  const { secret, mode, passesCertificate, subject, isUnfit } = found.clients;
  const name = secret ?? `${found.namespace}/`;
  const demand = {
    name,
    mode,
    ...(passesCertificate && { passesCertificate }),
    ...(subject !== undefined && { subject }),
  };
  if (isUnfit === true || secret === undefined) return { demand, problem: 'its annotations cannot be honored' };
  if (host === '') return { demand, problem: 'client certificates need a rule with a host' };
  if (found.isPassed) return { demand, problem: 'clients cannot be verified inside TLS that a server ends' };
  if (!found.hasTls) return { demand, problem: `clients can only be verified with TLS: add ${host} to spec.tls` };
  const state = states(secret);
  switch (state?.state) {
    case undefined:
      return { demand };
    case 'valid':
      return { demand: { ...demand, pem: state.pem } };
    case 'invalid':
      return { demand, problem: state.message };
    case 'waiting':
      return { demand, problem: 'this Secret has not been read yet', isWaiting: true };
  }
}

/** Returns what an Ingress with client certificates of its own needs to know about a host. */
export function describeClients(
  name: string,
  own: IngressClients | undefined,
  host: string,
  found: HostClients,
  { problem }: DecidedClients,
): readonly Finding[] {
  if (own === undefined) return [];
  const make = (outcome: Finding['outcome'], message: string): readonly Finding[] => [
    { subject: `${nginxPrefix}auth-tls-secret`, value: JSON.stringify(own.secret ?? ''), outcome, message },
  ];
  if (found.name !== name) {
    const isAlike = isDeepStrictEqual(own, found.clients);
    return isAlike ? [] : make('refused', `host ${host} verifies clients as the older Ingress ${found.name} demands`);
  }
  if (problem === undefined || own.isUnfit === true) return [];
  // The default backend does not close the hosts of the Ingress.
  return make(
    host === '' ? 'refused' : 'closed',
    host === '' ? `requests for other hosts answer 503: ${problem}` : problem,
  );
}
