import { protocolNumbers } from '../../../base/model/redirect.ts';
import { renderEndpoint } from '../../../base/rules/endpoint.ts';
import type { Finding } from '../finding.ts';
import { flowsOf } from '../flows.ts';
import type { Observation } from '../observation.ts';

/** From this share on, connections are about to be refused. */
const nearlyFull = 0.95;
/** Seconds without an answer after which a client waits in vain rather than for a moment. */
const longWait = 3;

/** What the connections tell: a table that is full, targets that do not answer. */
export function findTrafficProblems(observation: Observation): Finding[] {
  return [...findFullTable(observation), ...findSilentTargets(observation), ...findFailedAttempts(observation)];
}

function findFullTable({ tracking }: Observation): Finding[] {
  if (tracking === undefined || tracking.maximum === 0 || tracking.count < tracking.maximum * nearlyFull) return [];
  const { count, maximum } = tracking;
  return [
    {
      code: 'tracking-full',
      what: `connection tracking is ${count >= maximum ? 'full' : 'nearly full'}: ${count} of ${maximum}; new connections are dropped`,
      cure: `run "sysctl -w net.netfilter.nf_conntrack_max=${maximum * 2}" on the node, or shorten its timeouts`,
    },
  ];
}

/** Targets that clients wait for, and that answered nobody. Of UDP nothing follows from silence. */
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
    const words = waiting === 1 ? 'a connection waits' : `${waiting} connections wait`;
    return [
      {
        code: 'target-silent',
        what: `the destination ${target} answers nobody: ${words}`,
        cure: `check that it is up and that firewalls on the way let ${sources(observation)} through to it`,
      },
    ];
  });
}

function sources({ resolved }: Observation): string {
  return resolved.reserved.map(({ prefix }) => prefix.address.text).join(' and ');
}

function findFailedAttempts(observation: Observation): Finding[] {
  return observation.attempts.flatMap(({ target, outcome }): Finding[] => {
    // Silence says nothing about a datagram.
    if (outcome === 'connected' || outcome === 'answered' || outcome === 'no answer') return [];
    if (outcome === 'ECONNREFUSED') {
      return [
        {
          code: 'target-refuses',
          what: `the destination ${target} refuses connections`,
          cure: 'start the server there, or correct the address and port in the destinations',
        },
      ];
    }
    const noRoute = outcome === 'EHOSTUNREACH' || outcome === 'ENETUNREACH';
    return [
      {
        code: 'target-silent',
        what: `the destination ${target} ${noRoute ? 'cannot be reached' : 'does not answer'} (${outcome})`,
        cure: `check that it is up, that the gateway has a route to it, and that firewalls on the way let ${sources(observation)} through`,
      },
    ];
  });
}
