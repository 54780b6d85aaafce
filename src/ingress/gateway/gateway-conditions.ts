import type { Holding } from '../pools/holding.ts';
import type { ClientCertificate } from './client-certificate.ts';
import { hasInsecureFallback } from './client-validation.ts';
import { type ConditionDraft, no, parametersCure, yes } from './conditions.ts';
import type { Gateway } from './gateway.ts';
import type { GatewayAddressVerdict } from './gateway-addresses.ts';
import { isTrue, type ListenerReport } from './listener-status.ts';

/** Returns the conditions of a Gateway. */
export function describeGateway(
  gateway: Gateway,
  listeners: readonly ListenerReport[],
  { refusal, note }: SettledAddresses,
  certificate: ClientCertificate | undefined,
): readonly ConditionDraft[] {
  const { hasParameters, problems } = gateway;
  if (hasParameters) {
    const message = `spec.infrastructure.parametersRef: ${parametersCure}`;
    return [no('Accepted', 'InvalidParameters', message), no('Programmed', 'Invalid', message)];
  }
  if (refusal?.reason === 'UnsupportedAddress') {
    return [no('Accepted', refusal.reason, refusal.message), no('Programmed', 'Invalid', refusal.message)];
  }
  const accepted = listeners.filter((one) => isTrue(one, 'Accepted'));
  const sound = accepted.filter((one) => isTrue(one, 'ResolvedRefs'));
  const isWhole = sound.length === listeners.length && problems.length === 0;
  const summary = ['some listeners are invalid; see their conditions', ...problems.slice(0, 3)].join('; ');
  const acceptance =
    accepted.length === 0
      ? no(
          'Accepted',
          'ListenersNotValid',
          ['no listener is accepted; see their conditions', ...problems.slice(0, 3)].join('; '),
        )
      : isWhole
        ? yes('Accepted', 'Accepted', '')
        : yes('Accepted', 'ListenersNotValid', summary);
  const references = certificate === undefined ? [] : [describeReferences(certificate)];
  const progress =
    refusal === undefined ? describeProgress(listeners, note) : no('Programmed', refusal.reason, refusal.message);
  return [acceptance, progress, ...references, ...(hasInsecureFallback(gateway) ? [insecure] : [])];
}

const insecure = yes(
  'InsecureFrontendValidationMode',
  'ConfigurationChanged',
  'spec.tls.frontend admits clients without a valid certificate (AllowInsecureFallback)',
);

function describeReferences(certificate: ClientCertificate): ConditionDraft {
  return certificate.state === 'invalid'
    ? no('ResolvedRefs', certificate.reason, certificate.message)
    : yes('ResolvedRefs', 'ResolvedRefs', '');
}

/** The addresses of a Gateway that ingress nodes hold. */
export interface SettledAddresses extends Pick<GatewayAddressVerdict, 'addresses' | 'refusal'> {
  /** No node holds an address at the moment, so the stored status is preserved. */
  readonly isWaiting: boolean;
  /** Names the addresses that no node holds, while nodes hold others of the Gateway. */
  readonly note: string;
}

/** Returns the virtual addresses that a node holds: clients cannot use the others. */
export function settleAddresses(
  verdict: GatewayAddressVerdict,
  holdingOf: (address: string) => Holding,
): SettledAddresses {
  const { addresses, virtual, refusal } = verdict;
  if (virtual === undefined) return { addresses, ...(refusal && { refusal }), isWaiting: false, note: '' };
  const holdings = addresses.map((address) => ({ address, holding: holdingOf(address) }));
  const held = holdings.filter(({ holding }) => holding.state === 'held').map(({ address }) => address);
  const isWaiting = holdings.some(({ holding }) => holding.state === 'waiting');
  const free = holdings.flatMap(({ address, holding }) =>
    holding.state === 'free' ? [`no ingress node holds ${address}: ${holding.reason}`] : [],
  );
  const note = free.join('; ');
  if (held.length > 0 || isWaiting) return { addresses: held, isWaiting, note };
  return { addresses: [], isWaiting, note: '', refusal: { reason: 'AddressNotAssigned', message: note } };
}

function describeProgress(listeners: readonly ListenerReport[], note: string): ConditionDraft {
  if (listeners.some((one) => isTrue(one, 'Programmed'))) return yes('Programmed', 'Programmed', note);
  const failed = listeners
    .flatMap(({ conditions }) => conditions)
    .find(({ type, reason }) => type === 'Programmed' && reason === 'Pending');
  return failed ?? no('Programmed', 'Invalid', 'no listener is programmed');
}
