import { notApplied, type Verdict } from '../intent/plane.ts';
import { type ConditionDraft, no, yes } from './conditions.ts';
import type { L7Listener } from './listener.ts';
import { endsTls, isL7, type ListenerDecision } from './listener-decision.ts';

/** Result of one listener (Gateway API, ListenerStatus). */
export interface ListenerReport {
  readonly name: string;
  /** Kinds of routes that can be attached. */
  readonly kinds: readonly string[];
  readonly attachedRoutes: number;
  readonly conditions: readonly ConditionDraft[];
}

/** State of a listener besides the decision about it. */
export interface ListenerState {
  readonly attachedRoutes: number;
  /** Verdict of the data plane that serves the listener. */
  readonly verdict: Verdict | undefined;
  /** Why no listener of the Gateway is served. */
  readonly withheld: string | undefined;
}

/** Returns whether a data plane decides about a listener. */
export function isAsked({ listener, refusal, lacksCertificate, isWaiting }: ListenerDecision): boolean {
  return listener !== undefined && refusal === undefined && !lacksCertificate && isWaiting !== true;
}

/** Returns whether a listener is requested from the data plane of hosts. */
export function isServedListener(one: ListenerDecision): one is ListenerDecision & { readonly listener: L7Listener } {
  return one.listener !== undefined && isL7(one.listener) && isAsked(one) && one.kinds.length > 0;
}

/** Returns whether a condition of a listener is true. */
export function isTrue({ conditions }: ListenerReport, type: string): boolean {
  return conditions.some((one) => one.type === type && one.status === 'True');
}

/** Reports on one listener. */
export function reportListener(decision: ListenerDecision, state: ListenerState): ListenerReport {
  const { name, kinds, conflict, overlaps } = decision;
  const { accepted, programmed, resolved } = describeListener(decision, state);
  return {
    name,
    kinds,
    attachedRoutes: state.attachedRoutes,
    conditions: [
      accepted,
      programmed,
      resolved,
      conflict === undefined
        ? no('Conflicted', 'NoConflicts', '')
        : { type: 'Conflicted', status: 'True', reason: conflict.reason, message: conflict.message },
      ...(overlaps ? [describeOverlap()] : []),
    ],
  };
}

interface Described {
  readonly accepted: ConditionDraft;
  readonly programmed: ConditionDraft;
  readonly resolved: ConditionDraft;
}

/** Reasons of verdicts about certificates. */
const aboutCertificates = /Certificate|^ExtendedValidationFailed$/;

function describeListener(decision: ListenerDecision, { verdict, withheld }: ListenerState): Described {
  const { kinds, refusal, conflict, unresolved, lacksCertificate, listener } = decision;
  const resolved =
    unresolved === undefined
      ? yes('ResolvedRefs', 'ResolvedRefs', '')
      : no('ResolvedRefs', unresolved.reason, unresolved.message);
  if (refusal !== undefined) {
    return {
      accepted: no('Accepted', refusal.reason, refusal.message),
      programmed: no('Programmed', conflict?.reason ?? 'Invalid', 'the listener is not accepted'),
      resolved,
    };
  }
  const accepted = yes('Accepted', 'Accepted', '');
  const idle =
    withheld ??
    (kinds.length === 0 ? 'the listener accepts no supported kind of route' : undefined) ??
    (lacksCertificate ? 'the listener has no usable certificate' : undefined);
  if (idle !== undefined) return { accepted, programmed: no('Programmed', 'Invalid', idle), resolved };
  const message = verdict?.message ?? '';
  if (verdict === undefined) return { accepted, programmed: no('Programmed', 'Pending', message), resolved };
  if (verdict.reason === notApplied) {
    return { accepted, programmed: no('Programmed', 'Pending', message), resolved };
  }
  if (verdict.reason !== undefined) {
    if (listener !== undefined && endsTls(listener) && aboutCertificates.test(verdict.reason)) {
      return {
        accepted,
        programmed: no('Programmed', 'Invalid', 'the listener has no usable certificate'),
        resolved: unresolved === undefined ? no('ResolvedRefs', 'InvalidCertificateRef', message) : resolved,
      };
    }
    return {
      accepted: no('Accepted', 'PortUnavailable', message),
      programmed: no('Programmed', 'Invalid', 'the listener is not accepted'),
      resolved,
    };
  }
  return { accepted, programmed: yes('Programmed', 'Programmed', verdict.pending?.problem ?? ''), resolved };
}

function describeOverlap(): ConditionDraft {
  const message =
    'other HTTPS listeners on this port cover some of the same names; clients may reuse a connection for another listener';
  return { type: 'OverlappingTLSConfig', status: 'True', reason: 'OverlappingHostnames', message };
}
