import type { Address, Family } from '../../base/model/address.ts';
import { renderEndpoint } from '../../base/model/endpoint.ts';
import type { RouteAnswer } from '../../base/model/observed.ts';
import type { Protocol } from '../../base/model/redirect.ts';
import { ownerOf } from '../plan/desired.ts';
import { type Trace, traceEgress } from '../plan/trace.ts';
import { judge } from './findings.ts';
import type { Observation } from './observation.ts';
import type { TraceDocument } from './trace-document.ts';

/** The connection to trace. */
export interface TraceQuestion {
  readonly protocol: Protocol;
  /** 1–65535. */
  readonly port: number;
  /** Default: the family of the first pod interface. */
  readonly family?: Family;
  /** Default: any client in the cluster. */
  readonly client?: Address;
  /** Default: the pod's own address. */
  readonly destination?: Address;
  /** Incoming interface. Default: the pod interface. */
  readonly incoming?: string;
}

/** Traces a connection through the rule model. Returns undefined if the pod has no address to connect to. */
export function followRules(
  observation: Observation,
  question: TraceQuestion,
): { readonly trace: Trace; readonly destination: Address; readonly incoming: string } | undefined {
  const { state, resolved, pod } = observation;
  const family = question.family ?? state.podLinks[0]?.family;
  const podLink = state.podLinks.find((one) => one.family === family)?.link;
  const own = pod.addresses.filter(({ prefix }) => prefix.address.family === family);
  const destination = question.destination ?? own.find(({ link }) => link === podLink)?.prefix.address;
  const incoming = question.incoming ?? podLink;
  if (destination === undefined || incoming === undefined) return undefined;
  const trace = traceEgress(
    {
      owner: ownerOf(state.id),
      egressLink: state.link,
      podLinks: resolved.podLinks,
      reserved: resolved.reserved.map(({ prefix }) => prefix.address),
      redirects: resolved.spec.redirects,
      slot: state.slot,
    },
    {
      protocol: question.protocol,
      port: question.port,
      destination,
      incoming,
      local: own.some(({ prefix }) => prefix.address.text === destination.text),
    },
  );
  return { trace, destination, incoming };
}

/** Describes the path of a connection and the problems that block it. */
export function describeTrace(observation: Observation, question: TraceQuestion): TraceDocument | undefined {
  const followed = followRules(observation, question);
  if (followed === undefined) return undefined;
  const { trace, destination, incoming } = followed;
  const { problems, doubts } = judge(observation);
  const [attempt] = observation.attempts;
  const failed = attempt !== undefined && !['connected', 'answered', 'no answer'].includes(attempt.outcome);
  return {
    schema: 'erctl.trace/v1',
    packet: {
      protocol: question.protocol,
      client: question.client?.text ?? 'any client',
      destination: destination.text,
      port: question.port,
      incoming,
    },
    goes: trace.kind,
    ...(trace.kind === 'redirected' && {
      target: renderEndpoint({ address: trace.target, port: trace.port }),
      source: trace.source.text,
      by: trace.by,
      ...(trace.name !== undefined && { name: trace.name, addresses: trace.targets?.map(({ text }) => text) ?? [] }),
    }),
    ...(trace.kind === 'unresolved' && { name: trace.name, addresses: [] }),
    steps: [
      `The connection to ${renderEndpoint({ address: destination, port: question.port })}/${question.protocol} arrives on ${incoming}.`,
      ...describeSteps(observation, question, trace),
    ],
    ...(attempt !== undefined && {
      attempt: { target: attempt.target, outcome: attempt.outcome, milliseconds: attempt.took },
    }),
    problems: [...problems],
    ...(doubts.length > 0 && { notes: [...doubts] }),
    arrives: trace.kind === 'redirected' && problems.length === 0 && !failed,
  };
}

function describeSteps(observation: Observation, question: TraceQuestion, trace: Trace): string[] {
  const { state } = observation;
  switch (trace.kind) {
    case 'redirected':
      return describeRedirected(observation, question, trace);
    case 'unresolved':
      return [
        `The redirect for ${question.port}/${question.protocol} goes to ${trace.name}, which has no usable address of this family.`,
        'The router refuses the connection until the node daemon has one; its log and the Events of the pod name the reason.',
      ];
    case 'delivered':
      return [
        'No redirect matches this port and there is no fallback, so the pod itself receives the connection.',
        ...describeOtherProtocols(observation, question),
        'If nothing in the pod listens on the port, the kernel refuses the connection.',
      ];
    case 'refused':
      return [
        `The connection is not addressed to the pod, and the router rejects transit traffic (${
          trace.with === 'tcp-reset' ? 'TCP reset' : 'ICMP port unreachable'
        }).`,
      ];
    case 'dropped':
      return [`The router drops packets that arrive on ${state.link} and are not replies.`];
  }
}

/** A redirect of the same port for another protocol: forgetting --proto is a common mistake. */
function describeOtherProtocols({ resolved }: Observation, { port, protocol }: TraceQuestion): string[] {
  const others = new Set(
    resolved.spec.redirects.redirects
      .filter((one) => one.port === port && one.protocol !== protocol)
      .map((one) => one.protocol),
  );
  return [...others].map((other) => `There is a redirect for ${port}/${other}: add --proto ${other} to follow it.`);
}

function describeRedirected(
  { ways, state }: Observation,
  { client, port, protocol }: TraceQuestion,
  { target, port: targetPort, source, by, name, targets = [] }: Extract<Trace, { kind: 'redirected' }>,
): string[] {
  const endpoint = renderEndpoint({ address: target, port: targetPort });
  const rule = by === 'redirect' ? `The redirect for ${port}/${protocol}` : 'The fallback';
  const outward = ways.find((way) => way.direction === 'outward' && way.question.destination.text === target.text);
  const inward = ways.find((way) => way.direction === 'inward' && way.question.source?.text === target.text);
  const asked =
    client === undefined && inward !== undefined ? ` (route looked up for ${inward.question.destination.text})` : '';
  const others = targets.length > 1 ? `, one of ${targets.length} addresses that share connections` : '';
  const resolved = name === undefined ? [] : [`${rule} goes to ${name}, which is ${target.text} now${others}.`];
  return [
    ...resolved,
    `${rule} sends it to ${endpoint} (DNAT).`,
    `It leaves ${describeAnswer(outward?.answer)}.`,
    `${target.text} sees the source address ${source.text} (SNAT).`,
    `The reply arrives on ${state.link} and returns to the client ${describeAnswer(inward?.answer)}${asked}.`,
  ];
}

function describeAnswer(answer: RouteAnswer | undefined): string {
  if (answer === undefined) return 'by a route that could not be looked up';
  if (answer.kind === 'none') return `by no route (${answer.reason})`;
  const via = answer.gateway === undefined ? ', directly connected' : ` via ${answer.gateway.text}`;
  return `through ${answer.link ?? 'an unknown interface'}${via}, table ${answer.table}`;
}
