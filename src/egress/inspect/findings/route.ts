import type { Family } from '../../../base/model/address.ts';
import { formatRoute } from '../../../base/model/format.ts';
import { mainTable, type Route } from '../../../base/model/network.ts';
import type { Deviation } from '../../plan/check.ts';
import { type Finding, inNamespace, recreate } from '../finding.ts';
import type { Observation, Way } from '../observation.ts';

/** From this number of missing routes, the cause is a flush or a link that went down. */
const manyRoutes = 3;

/** Finds problems with routes, policy rules and sysctls. */
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
            what: `${missing.length} of the router's routes are missing, for example ${first.subject}`,
            cure: `${recreate}, and find out what flushed the routes or set ${observation.state.link} down`,
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
      const instead = findOtherDefault(observation, subject, family);
      return {
        code: 'route-missing',
        what: instead === undefined ? text : `${text}; found ${formatRoute(instead)} instead`,
        cure: inNamespace(netns, `${ip} route ${instead === undefined ? 'add' : 'replace'} ${subject}`),
      };
    }
    case 'old-default':
      return {
        code: 'old-default',
        what: `${text}, so the pod's own traffic leaves through the cluster network`,
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
        what: `the sysctl ${text}${explain(key)}`,
        cure: `${inNamespace(netns, `sysctl -w ${key}=${value}`)}, and find out what changed it`,
      };
    }
    default:
      return undefined;
  }
}

/** Returns the default route that took the place of the router's own. */
function findOtherDefault({ pod }: Observation, subject: string, family: Family | undefined): Route | undefined {
  if (!subject.startsWith('default ') || subject.includes(' table ')) return undefined;
  return pod.routes.find(
    (one) => one.table === mainTable && one.family === family && one.destination.length === 0 && one.type === 'unicast',
  );
}

function explain(key: string): string {
  if (key.endsWith('forward') || key.endsWith('forwarding')) return ', so the pod forwards no packets';
  if (key.endsWith('rp_filter')) return ', so reverse-path filtering drops packets from clients or destinations';
  if (key.endsWith('fwmark_reflect')) return ', so rejections do not reach clients';
  if (key.endsWith('src_valid_mark')) return ', so the reverse-path check ignores the packet mark';
  if (key.endsWith('disable_ipv6')) return ', which does not match the IP families of the router';
  if (key.endsWith('accept_ra')) return ', so hosts on the external network can give the pod addresses and routes';
  if (/arp_|ndisc_/.test(key)) return ', so neighbors on the external network may learn a wrong MAC address';
  return '';
}

/** Finds lookups that end at the wrong interface although the router's own routes and policy rules are present. */
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
      outward: `connections to ${destination.text} go`,
      inward: `replies to ${destination.text} go`,
      own: `the pod's own packets to ${destination.text} go`,
    }[way.direction];
    const list = way.family === 6 ? 'ip -6 rule' : 'ip rule';
    return [
      {
        code: 'way-diverted',
        what: `${what} ${describeAnswer(way)} instead of through ${expected}`,
        cure: `find the foreign policy rule or route that takes precedence: ${inNamespace(netns, list)}`,
      },
    ];
  });
}

function leadsTo({ answer }: Way, link: string): boolean {
  return answer.kind === 'unicast' && answer.link === link;
}

function describeAnswer({ answer }: Way): string {
  if (answer.kind === 'none') {
    return answer.reason === 'EXDEV' ? 'nowhere (rejected by the reverse-path check)' : `nowhere (${answer.reason})`;
  }
  if (answer.kind === 'local') return 'to the pod itself';
  const gateway = answer.gateway === undefined ? '' : ` via ${answer.gateway.text}`;
  return `through ${answer.link ?? 'an unknown interface'}${gateway} (table ${answer.table})`;
}
