import type { Parsed } from '../../base/model/problem.ts';
import { type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord } from '../../base/read/shape.ts';
import { showValue } from '../../base/read/show-value.ts';
import { listOf } from './parts.ts';
import { type GatewayRoute, readBackend, readParent } from './route.ts';

/** A TCPRoute or UDPRoute (gateway.networking.k8s.io). */
export interface L4Route extends GatewayRoute {
  readonly kind: 'TCPRoute' | 'UDPRoute';
  readonly protocol: 'tcp' | 'udp';
}

/**
 * Parses a TCPRoute or UDPRoute. Rules have no conditions, so only the first valid one can apply. ReferenceGrants later
 * decide whether it may use Services of other namespaces.
 */
export function parseL4Route(input: unknown, protocol: 'tcp' | 'udp'): Parsed<L4Route> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems);
  const spec = isRecord(input) ? input.spec : undefined;
  if (!isRecord(spec)) problems.add('spec', spec, 'must be the spec of a route');
  const { parentRefs, rules } = isRecord(spec) ? spec : {};
  const home = meta?.namespace ?? '';
  return problems.finish(() => ({
    kind: protocol === 'tcp' ? 'TCPRoute' : 'UDPRoute',
    meta: meta as ObjectMeta,
    protocol,
    parents: listOf(parentRefs).flatMap((parent) => readParent(parent, home)),
    ...readPlainRules(listOf(rules), home),
  }));
}

/** Parses rules without conditions, of which only the first valid one can apply. */
export function readPlainRules(rules: readonly unknown[], home: string): Pick<L4Route, 'backends' | 'dropped'> {
  const dropped: string[] = [];
  for (const [index, rule] of rules.entries()) {
    const path = `spec.rules[${index}]`;
    const { backendRefs = [] } = isRecord(rule) ? rule : { backendRefs: undefined };
    if (!isRecord(rule)) dropped.push(`${path} ${showValue(rule)}: must be a rule`);
    else if (backendRefs !== null && !Array.isArray(backendRefs)) {
      dropped.push(`${path}.backendRefs ${showValue(backendRefs)}: must be a list of Services`);
    } else {
      return {
        backends: listOf(backendRefs).map((one, place) => readBackend(one, home, `${path}.backendRefs[${place}]`)),
        dropped,
      };
    }
  }
  return { backends: [], dropped };
}
