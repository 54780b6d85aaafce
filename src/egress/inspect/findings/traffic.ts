import { renderEndpoint } from '../../../base/model/endpoint.ts';
import { protocolNumbers } from '../../../base/model/redirect.ts';
import type { Finding } from '../finding.ts';
import { flowsOf } from '../flows.ts';
import type { Observation } from '../observation.ts';

/** From this share of the limit, the table counts as nearly full. */
const nearlyFull = 0.95;
/** Seconds without an answer after which the target counts as silent. */
const longWait = 3;

/** Finds problems that connections show: a full conntrack table, targets that do not answer. */
export function findTrafficProblems(observation: Observation): Finding[] {
  return [...findFullTable(observation), ...findSilentTargets(observation), ...findFailedAttempts(observation)];
}

function findFullTable({ tracking }: Observation): Finding[] {
  if (tracking === undefined || tracking.maximum === 0 || tracking.count < tracking.maximum * nearlyFull) return [];
  const { count, maximum } = tracking;
  return [
    {
      code: 'tracking-full',
      what: `the connection tracking table is ${count >= maximum ? 'full' : 'nearly full'} (${count} of ${maximum} entries); the kernel drops new connections when it is full`,
      cure: `run "sysctl -w net.netfilter.nf_conntrack_max=${maximum * 2}" on the node, or shorten the conntrack timeouts`,
    },
  ];
}

/** Finds TCP targets with waiting clients and no answered connection. For UDP, silence proves nothing. */
function findSilentTargets(observation: Observation): Finding[] {
  const targets = new Map<string, { waiting: number; answered: number }>();
  for (const flow of flowsOf(observation)) {
    if (flow.protocol !== protocolNumbers.tcp) continue;
    const key = renderEndpoint({ address: flow.target, port: flow.targetPort });
    const counts = targets.get(key) ?? { waiting: 0, answered: 0 };
    const waited = (observation.tracking?.synSentTimeout ?? 0) - flow.timeout;
    const hasRepeated = (flow.sent?.packets ?? 1) > 1 || waited >= longWait;
    if (flow.answered) counts.answered++;
    else if (hasRepeated) counts.waiting++;
    targets.set(key, counts);
  }
  return [...targets].flatMap(([target, { waiting, answered }]): Finding[] => {
    if (waiting === 0 || answered > 0) return [];
    const words = waiting === 1 ? '1 connection is waiting' : `${waiting} connections are waiting`;
    return [
      {
        code: 'target-silent',
        what: `the destination ${target} answers no client: ${words}`,
        cure: `check that it is up and that firewalls on the path allow traffic from ${sources(observation)}`,
      },
    ];
  });
}

function sources({ resolved }: Observation): string {
  return resolved.reserved.map(({ prefix }) => prefix.address.text).join(' and ');
}

function findFailedAttempts(observation: Observation): Finding[] {
  return observation.attempts.flatMap(({ target, outcome }): Finding[] => {
    // A UDP server may have no reason to answer.
    if (outcome === 'connected' || outcome === 'answered' || outcome === 'no answer') return [];
    if (outcome === 'ECONNREFUSED') {
      return [
        {
          code: 'target-refuses',
          what: `the destination ${target} refuses connections`,
          cure: 'start the server, or correct the address and port of the destination in the configuration',
        },
      ];
    }
    const noRoute = outcome === 'EHOSTUNREACH' || outcome === 'ENETUNREACH';
    return [
      {
        code: 'target-silent',
        what: `the destination ${target} ${noRoute ? 'cannot be reached' : 'does not answer'} (${outcome})`,
        cure: `check that it is up, that the gateway has a route to it, and that firewalls on the path allow traffic from ${sources(observation)}`,
      },
    ];
  });
}
