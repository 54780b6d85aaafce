import { notApplied, type Verdict } from '../intent/plane.ts';
import { isHttp2, type Service } from '../objects/service.ts';
import type { Attachment, ParentDecision } from './attachment.ts';
import type { BackendTlsPolicies } from './backend-tls.ts';
import { type ConditionDraft, no, yes } from './conditions.ts';
import { isReferenceGranted, type ReferenceGrant } from './reference-grant.ts';
import type { GatewayRoute } from './route.ts';

/** Result of a route's attachment (Gateway API, RouteParentStatus). */
export interface ParentReport {
  readonly parentRef: Readonly<Record<string, unknown>>;
  readonly conditions: readonly ConditionDraft[];
  /** A data plane has not applied the route yet, so its stored status is preserved. */
  readonly isPending?: true;
}

/** Returns Services by `NAMESPACE/NAME`. */
export interface ServiceLookup {
  readonly serviceOf: (key: string) => Service | undefined;
}

/** Input of a route's report. */
export interface ParentContext extends ServiceLookup {
  readonly grants: readonly ReferenceGrant[];
  /** Absent: none apply. */
  readonly policies?: BackendTlsPolicies;
  /**
   * Returns the data plane's verdicts about the route on a listener. `undefined` in the list: it has not decided
   * yet.
   */
  readonly verdictsOf: (attachment: Attachment) => readonly (Verdict | undefined)[];
}

/** Reports on each of our Gateways that a route names. */
export function reportParents(
  route: GatewayRoute,
  decisions: readonly ParentDecision[],
  context: ParentContext,
): readonly ParentReport[] {
  if (decisions.length === 0) return [];
  const shared = [describeReferences(route, context), ...describeDropped(route, decisions)];
  return decisions.map((decision): ParentReport => {
    const { condition, isPending } = describeAcceptance(decision, context);
    return {
      parentRef: decision.parent.written,
      conditions: [condition, ...shared],
      ...(isPending && { isPending: true }),
    };
  });
}

interface Acceptance {
  readonly condition: ConditionDraft;
  readonly isPending: boolean;
}

function describeAcceptance({ attachments, refusal }: ParentDecision, { verdictsOf }: ParentContext): Acceptance {
  const decide = (condition: ConditionDraft, isPending = false): Acceptance => ({ condition, isPending });
  if (refusal !== undefined) return decide(no('Accepted', refusal.reason, refusal.message));
  const verdicts = attachments.flatMap((one) => verdictsOf(one));
  if (verdicts.includes(undefined)) return decide(no('Accepted', 'Pending', ''), true);
  const known = verdicts.filter((one) => one !== undefined);
  const pending = known.flatMap((one) => one.pending ?? []);
  const problem = pending.map((one) => one.problem).find((one) => one !== undefined);
  // For hosts, a verdict with a reason concerns the route; for ports, the listener.
  const refused = known.filter(({ arrival, reason }) => arrival !== undefined && reason !== undefined);
  const [first] = refused;
  if (first !== undefined && refused.length === known.length) {
    return decide(no('Accepted', reasonOf(first), first.message ?? ''));
  }
  const isWhole = pending.every(({ what }) => what === 'endpoints');
  if (isWhole) return decide(yes('Accepted', 'Accepted', problem ?? first?.message ?? ''));
  return decide(no('Accepted', 'Pending', problem ?? ''), problem === undefined);
}

/** Returns the reason of a route's condition. Reasons of Routes for rejected settings have no equivalent. */
function reasonOf({ reason }: Verdict): string {
  if (reason === notApplied) return 'Pending';
  return reason === undefined || reason === 'ExtendedValidationFailed' ? 'UnsupportedValue' : reason;
}

/** Values of `appProtocol` that require TLS to the endpoints, which only a BackendTLSPolicy provides. */
const encrypted: ReadonlySet<string> = new Set(['https', 'kubernetes.io/wss', 'wss', 'tls', 'grpcs']);

function describeReferences(route: GatewayRoute, { grants, serviceOf, policies }: ParentContext): ConditionDraft {
  const protocol = route.kind === 'UDPRoute' ? 'udp' : 'tcp';
  const isHttp = route.kind === 'HTTPRoute' || route.kind === 'GRPCRoute';
  const from = { kind: route.kind, namespace: route.meta.namespace };
  for (const backend of route.backends) {
    const { refusal, namespace = route.meta.namespace, service: name, servicePort, isMirror } = backend;
    if (refusal !== undefined) return no('ResolvedRefs', refusal.reason, refusal.message);
    const key = `${namespace}/${name}`;
    // Without a grant, the status does not reveal whether the Service exists.
    if (!isReferenceGranted(grants, from, { kind: 'Service', namespace, name })) {
      return no('ResolvedRefs', 'RefNotPermitted', `Service ${key}: no ReferenceGrant of its namespace allows it`);
    }
    const service = serviceOf(key);
    if (service === undefined) return no('ResolvedRefs', 'BackendNotFound', `Service ${key} does not exist`);
    const found = service.ports.find((one) => one.port === servicePort && one.protocol === protocol);
    if (found === undefined) {
      const message = `Service ${key} has no ${protocol.toUpperCase()} port ${servicePort}`;
      return no('ResolvedRefs', 'BackendNotFound', message);
    }
    const { appProtocol = '' } = found;
    const isSecure = policies?.find({ service: key, port: found.name }) !== undefined;
    if (isMirror && (isSecure || encrypted.has(appProtocol) || isHttp2(appProtocol))) {
      const message = `Service ${key} port ${servicePort}: mirrors are sent in HTTP/1.1 without TLS`;
      return no('ResolvedRefs', 'UnsupportedProtocol', message);
    }
    if (isHttp && !isSecure && encrypted.has(appProtocol)) {
      const message = `Service ${key} port ${servicePort}: appProtocol ${appProtocol} needs a BackendTLSPolicy`;
      return no('ResolvedRefs', 'UnsupportedProtocol', message);
    }
  }
  return yes('ResolvedRefs', 'ResolvedRefs', '');
}

/** Valid rules are served, and the others are reported. */
function describeDropped(
  { dropped, refusal }: GatewayRoute,
  decisions: readonly ParentDecision[],
): readonly ConditionDraft[] {
  const isRefused = refusal !== undefined || decisions.every((one) => one.refusal !== undefined);
  if (dropped.length === 0 || isRefused) return [];
  // The API requires this prefix.
  const messages = dropped.slice(0, 3).map((one) => `Dropped Rule: ${one}`);
  return [yes('PartiallyInvalid', 'UnsupportedValue', messages.join('; '))];
}
