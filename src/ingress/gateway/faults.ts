import { showValue } from '../../base/read/show-value.ts';
import { parseGatewayAddresses } from './addresses.ts';
import { parametersCure } from './conditions.ts';
import type { Gateway } from './gateway.ts';
import { type ListenerReading, protocolCure } from './listener.ts';
import { decideListeners, type ListenerDecision, yieldToEarlier } from './listener-decision.ts';
import { ListenerIndex } from './listener-index.ts';
import type { ListenerSet } from './listener-set.ts';

/** Decisions that depend on no other object. */
const alone = { grants: [], servesSites: true } as const;

/** Returns why a Gateway or parts of it are not served, whatever the cluster contains, as `FIELD VALUE: CURE`. */
export function listGatewayFaults(gateway: Gateway): readonly string[] {
  const { meta, addresses, hasParameters, clientValidation, clientCertificate, listeners, problems } = gateway;
  const read = parseGatewayAddresses(addresses);
  const validations = [clientValidation?.usual, ...(clientValidation?.perPort.values() ?? [])];
  return [
    ...(hasParameters ? [`spec.infrastructure.parametersRef: ${parametersCure}`] : []),
    ...('refusal' in read ? [read.refusal.message] : []),
    ...validations.flatMap((one) => [one?.refusal, ...(one?.authorities ?? []).map(({ refusal }) => refusal?.message)]),
    clientCertificate?.refusal,
    ...problems,
    ...decideListeners({ kind: 'Gateway', meta, listeners }, gateway, alone).map(describeFault),
  ].filter((one) => one !== undefined);
}

/** Returns why listeners of a ListenerSet are not served, whatever the cluster contains, as `FIELD VALUE: CURE`. */
export function listSetFaults({ meta, listeners, problems }: ListenerSet): readonly string[] {
  const earlier = new ListenerIndex();
  const decided = decideListeners({ kind: 'ListenerSet', meta, listeners }, { meta }, alone).map((one) => {
    const next = yieldToEarlier(one, earlier);
    if (next.conflict === undefined && next.listener !== undefined) earlier.add(next.listener);
    return next;
  });
  return [...problems, ...decided.map(describeFault).filter((one) => one !== undefined)];
}

/** Returns why a listener is not served, unless another object can remove the reason. */
function describeFault({ reading, refusal, unresolved }: ListenerDecision): string | undefined {
  if (reading.kind === 'other') return `${reading.path}.protocol ${showValue(reading.protocol)}: ${protocolCure}`;
  // Without the missing ReferenceGrant, nothing else is known.
  if (unresolved?.reason === 'RefNotPermitted') return undefined;
  const message = (refusal ?? unresolved)?.message;
  return message === undefined ? undefined : placeAt(reading, message);
}

/** Returns a message that begins with the whole path of its field. */
function placeAt({ path }: ListenerReading, message: string): string {
  if (message.startsWith('spec.')) return message;
  return /^[a-z]+\.\S*:/i.test(message) ? `${path}.${message}` : `${path}: ${message}`;
}
