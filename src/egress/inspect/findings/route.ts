import type { Family } from '../../../base/model/address.ts';
import { formatRoute } from '../../../base/model/format.ts';
import { mainTable, type Route } from '../../../base/model/network.ts';
import type { Deviation } from '../../plan/check.ts';
import { type Finding, inNamespace, recreate } from '../finding.ts';
import type { Observation, Way } from '../observation.ts';

/** From so many missing routes on, somebody flushed them or set the link down and up. */
const manyRoutes = 3;

/** What is wrong with routes, policy rules and settings. */
export function findRouteProblems(observation: Observation, deviations: readonly Deviation[]): Finding[] {
  const missing = deviations.filter(({ kind }) => kind === 'route-missing');
  const rest = missing.length < manyRoutes ? deviations : deviations.filter((one) => !missing.includes(one));
  const [first] = missing;
  const flushed: Finding[] =
    first === undefined || missing.length < manyRoutes
      ? []
      : [
          {
            code: 'route-missing',
            what: `${missing.length} routes of the router are missing, such as ${first.subject}`,
            cure: `${recreate}, and find out who flushed them or set ${observation.state.link} down and up`,
          },
        ];
  return [
    ...flushed,
    ...rest.flatMap((deviation): Finding[] => {
      const finding = describeDeviation(observation, deviation);
      return finding === undefined ? [] : [finding];
    }),
  ];
}

function describeDeviation(observation: Observation, { kind, subject, text, family }: Deviation): Finding | undefined {
  const { netns } = observation;
  const ip = family === 6 ? 'ip -6' : 'ip';
  switch (kind) {
    case 'route-missing': {
      const instead = standsInstead(observation, subject, family);
      return {
        code: 'route-missing',
        what: instead === undefined ? text : `${text}; instead there is ${formatRoute(instead)}`,
        cure: inNamespace(netns, `${ip} route ${instead === undefined ? 'add' : 'replace'} ${subject}`),
      };
    }
    case 'old-default':
      return {
        code: 'old-default',
        what: `${text}: what the pod sends itself leaves by the cluster network`,
        cure: inNamespace(netns, `${ip} route delete ${subject}`),
      };
    case 'policy-rule-missing': {
      const [priority, rest = ''] = subject.split(': from all ');
      return {
        code: 'policy-rule-missing',
        what: family === 6 ? `${text} (IPv6)` : text,
        cure: inNamespace(netns, `${ip} rule add pref ${priority} ${rest}`),
      };
    }
    case 'sysctl': {
      const [key = '', value = ''] = subject.split('=');
      return {
        code: 'sysctl',
        what: `the setting ${text}${explain(key)}`,
        cure: `${inNamespace(netns, `sysctl -w ${key}=${value}`)}, and find out who changed it`,
      };
    }
    default:
      return undefined;
  }
}

/** Another default route where the router's own is missing. */
function standsInstead({ pod }: Observation, subject: string, family: Family | undefined): Route | undefined {
  if (!subject.startsWith('default ') || subject.includes(' table ')) return undefined;
  return pod.routes.find(
    (one) => one.table === mainTable && one.family === family && one.destination.length === 0 && one.type === 'unicast',
  );
}

function explain(key: string): string {
  if (key.endsWith('forward') || key.endsWith('forwarding')) return ': nothing passes through the pod';
  if (key.endsWith('rp_filter')) return ': packets from clients or destinations are dropped by the reverse path';
  if (key.endsWith('fwmark_reflect')) return ': refusals do not find their way back to clients';
  if (key.endsWith('src_valid_mark')) return ': the reverse path is checked without the mark';
  if (key.endsWith('disable_ipv6')) return ': the interface speaks IPv6 when it should not, or does not when it should';
  if (key.endsWith('accept_ra')) return ': hosts outside can give the pod addresses and routes';
  if (/arp_|ndisc_/.test(key)) return ': neighbours outside may learn a wrong hardware address';
  return '';
}

/** Ways that lead elsewhere though every route and rule of ours is there: somebody's own come first. */
export function findDivertedWays({ ways, state, netns }: Observation): Finding[] {
  const seen = new Set<string>();
  return ways.flatMap((way): Finding[] => {
    const expected =
      way.direction === 'inward' ? state.podLinks.find(({ family }) => family === way.family)?.link : state.link;
    if (expected === undefined || leadsTo(way, expected)) return [];
    const key = `${way.direction} ${way.family}`;
    if (seen.has(key)) return [];
    seen.add(key);
    const { destination } = way.question;
    const what = {
      outward: `connections to ${destination.text} are sent`,
      inward: `replies to ${destination.text} are sent`,
      own: `what the pod itself sends to ${destination.text} goes`,
    }[way.direction];
    const look = way.family === 6 ? 'ip -6 rule' : 'ip rule';
    return [
      {
        code: 'way-diverted',
        what: `${what} ${describeAnswer(way)}, not by ${expected}`,
        cure: `look for a policy rule or a route of somebody else that comes first: ${inNamespace(netns, look)}`,
      },
    ];
  });
}

function leadsTo({ answer }: Way, link: string): boolean {
  return answer.kind === 'unicast' && answer.link === link;
}

function describeAnswer({ answer }: Way): string {
  if (answer.kind === 'none') {
    return answer.reason === 'EXDEV' ? 'nowhere (the reverse path is refused)' : `nowhere (${answer.reason})`;
  }
  if (answer.kind === 'local') return 'to the pod itself';
  const gateway = answer.gateway === undefined ? '' : ` via ${answer.gateway.text}`;
  return `by ${answer.link ?? 'an unknown interface'}${gateway} (table ${answer.table})`;
}
