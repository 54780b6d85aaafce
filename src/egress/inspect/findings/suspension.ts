import type { Finding } from '../finding.ts';
import type { Observation } from '../observation.ts';

/**
 * Reports a router that the node daemon has suspended. The kernel shows only the suspension, so the reason is derived
 * from the causes that the daemon suspends for.
 *
 * @param causes other findings that explain the suspension
 */
export function findSuspension({ isSuspended, state }: Observation, causes: readonly Finding[]): Finding[] {
  if (isSuspended !== true) return [];
  const { link, pod } = state;
  const has = (code: Finding['code']): boolean => causes.some((one) => one.code === code);
  const what = (reason: string): string => `${link} is suspended and sends no packets, because ${reason}`;
  const resumes =
    'the node daemon resumes the router when the API server confirms its pod and no machine claims its address';
  if (has('master-down') || has('master-missing'))
    return [
      {
        code: 'link-suspended',
        what: what('its wire has no carrier'),
        cure: `restore the master interface; ${resumes}`,
      },
    ];
  if (has('address-taken'))
    return [
      {
        code: 'link-suspended',
        what: what('another machine has its address'),
        cure: `remove the address from that machine, or delete this pod if it was replaced; ${resumes}`,
      },
    ];
  if (has('gateway-silent'))
    return [
      {
        code: 'link-suspended',
        what: what('no gateway answers and the node daemon could not reach the API server'),
        cure: `restore the network of this node; ${resumes}`,
      },
    ];
  const name = pod === undefined ? 'the pod' : `pod ${pod.name} in namespace ${pod.namespace}`;
  return [
    {
      code: 'link-suspended',
      what: what('its pod is gone, or the node daemon has not confirmed it with the API server since it was cut off'),
      cure: `check that ${name} exists, that the node daemon on this node runs and that it reaches the API server; its log and the pod’s condition egress-router.io/router-ready name the reason; ${resumes}`,
    },
  ];
}
