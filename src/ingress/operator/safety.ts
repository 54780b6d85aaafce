import { namesOf, selectorOf } from './names.ts';
import { makeObject, type RouterObject } from './objects.ts';
import type { IngressControllerSpec } from './spec.ts';

/** Returns the disruption budget of a Deployment's pods, or undefined with fewer than two replicas. */
export function makeBudget(name: string, { replicas }: IngressControllerSpec): RouterObject | undefined {
  if (replicas !== undefined && replicas < 2) return undefined;
  const maxUnavailable = replicas === undefined ? '50%' : replicas === 2 ? 1 : '25%';
  return makeObject('budgets', name, namesOf(name).router, {
    spec: { maxUnavailable, unhealthyPodEvictionPolicy: 'AlwaysAllow', selector: { matchLabels: selectorOf(name) } },
  });
}

/** Returns the network policy that admits clients, load balancers and scrapers where other policies deny by default. */
export function makePolicy(name: string): RouterObject {
  const port = (label: string) => ({ ports: [{ protocol: 'TCP', port: label }] });
  return makeObject('policies', name, namesOf(name).router, {
    spec: {
      podSelector: { matchLabels: selectorOf(name) },
      ingress: [port('http'), port('https'), port('metrics')],
      egress: [{}],
      policyTypes: ['Ingress', 'Egress'],
    },
  });
}
