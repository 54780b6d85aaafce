import { formatPrefix } from '../../base/model/address.ts';
import { renderEndpoint } from '../../base/model/endpoint.ts';
import { formatPolicyRule, formatRoute } from '../../base/model/format.ts';
import { mainTable } from '../../base/model/network.ts';
import type { Flow } from '../../base/model/observed.ts';
import { protocolNumbers } from '../../base/model/redirect.ts';
import { numbersOf } from '../plan/numbers.ts';
import { judge } from './findings.ts';
import { countFlows, flowKey, flowsOf, keysOfNamed, redirectKey } from './flows.ts';
import { readInstalledRedirects } from './installed.ts';
import type { Observation } from './observation.ts';
import type { InspectDocument, RouterReport } from './report-document.ts';

/** How many connections are listed; all of them are counted. */
const listedConnections = 1000;

/** Describes the state and the problems of each router. */
export function describeInspection(observations: readonly Observation[]): InspectDocument {
  const routers = observations.map(describeRouter);
  return { schema: 'erctl.inspect/v1', healthy: routers.every(({ problems }) => problems.length === 0), routers };
}

function describeRouter(observation: Observation): RouterReport {
  const { state, pod, netns, resolved, tracking, attempts } = observation;
  const flows = flowsOf(observation);
  const { problems, doubts, notes } = judge(observation);
  return {
    container: state.id.containerId,
    ...(state.pod !== undefined && { pod: `${state.pod.namespace}/${state.pod.name}` }),
    netns,
    interface: describeLink(observation),
    podInterfaces: state.podLinks.map(({ family, link }) => ({
      family,
      name: link,
      addresses: pod.addresses
        .filter((one) => one.link === link && one.prefix.address.family === family)
        .map(({ prefix }) => formatPrefix(prefix)),
    })),
    addresses: resolved.reserved.map(({ prefix, gateway }) => ({
      address: formatPrefix(prefix),
      gateway: describeGateway(observation, gateway.text),
    })),
    ...describeRoutes(observation),
    backend: state.backend,
    ...describeRedirects(observation, flows),
    connections: flows.slice(0, listedConnections).map(describeFlow),
    ...(tracking !== undefined && { tracking: { count: tracking.count, maximum: tracking.maximum } }),
    attempts: attempts.map(({ target, outcome, took }) => ({ target, outcome, milliseconds: took })),
    problems: [...problems],
    ...(doubts.length > 0 && { uncertain: true as const }),
    notes: [...notes],
  };
}

function describeLink({ state, pod, resolved }: Observation): RouterReport['interface'] {
  const link = pod.links.find((one) => one.name === state.link);
  const names = { name: state.link, master: resolved.master.name };
  if (link === undefined) return names;
  const { up, mtu, mac, settings } = link;
  return { ...names, up, ...(settings !== undefined && { kind: settings.type, mode: settings.mode }), mtu, mac };
}

function describeGateway({ claimants, neighbours, pod, state }: Observation, address: string) {
  const index = pod.links.find((one) => one.name === state.link)?.index;
  const entry = neighbours.find((one) => one.linkIndex === index && one.address.text === address);
  const answer = claimants?.find((one) => one.address.text === address);
  const mac = answer?.mac ?? entry?.mac;
  return {
    address,
    answer:
      claimants === undefined
        ? ('unasked' as const)
        : answer === undefined
          ? ('silent' as const)
          : ('answers' as const),
    ...(mac !== undefined && { mac }),
    ...(entry !== undefined && { neighbour: entry.state }),
  };
}

/** Returns the routes of the main table and the router's tables, and all policy rules that match marks. */
function describeRoutes({ pod, state }: Observation): Pick<RouterReport, 'routes' | 'policyRules'> {
  const tables = [mainTable, ...numbersOf(state.slot).tables];
  return {
    routes: tables
      .flatMap((table) => pod.routes.filter((route) => route.table === table))
      .filter((route) => !isPassing(route.destination.address.text))
      .map(formatRoute),
    policyRules: [...new Set(pod.policyRules.map(formatPolicyRule))],
  };
}

/** Returns whether the kernel adds the route to every interface. */
function isPassing(destination: string): boolean {
  return destination.startsWith('fe80:') || destination.startsWith('ff00:');
}

function describeRedirects({ rules, resolved }: Observation, flows: readonly Flow[]) {
  const installed = new Map(readInstalledRedirects(rules).map((one) => [redirectKey(one), one]));
  const byKey = Map.groupBy(flows, flowKey);
  const { redirects, fallbacks, named = [], fallbackName } = resolved.spec.redirects;
  const known = new Set([...redirects.map(redirectKey), ...named.flatMap(keysOfNamed)]);
  const rest = flows.filter((flow) => !known.has(flowKey(flow)));
  return {
    redirects: redirects.map((redirect) => {
      const there = installed.get(redirectKey(redirect));
      return {
        protocol: redirect.protocol,
        port: redirect.port,
        target: redirect.target.text,
        targetPort: redirect.targetPort ?? redirect.port,
        installed:
          there !== undefined &&
          (there.targetPort ?? there.port) === (redirect.targetPort ?? redirect.port) &&
          there.target.text === redirect.target.text,
        live: countFlows(byKey.get(redirectKey(redirect)) ?? []),
        ...(there?.opened !== undefined && { opened: there.opened }),
      };
    }),
    fallbacks: fallbacks.map((target) => ({
      target: target.text,
      live: countFlows(rest.filter((flow) => flow.target.family === target.family)),
    })),
    ...((named.length > 0 || fallbackName !== undefined) && {
      names: [
        ...named.map((one) => ({
          name: one.name,
          protocol: one.protocol,
          port: one.port,
          targetPort: one.targetPort ?? one.port,
          addresses: one.targets.map(({ text }) => text),
          live: countFlows(keysOfNamed(one).flatMap((key) => byKey.get(key) ?? [])),
        })),
        ...(fallbackName === undefined
          ? []
          : [
              {
                name: fallbackName.name,
                addresses: fallbackName.targets.map(({ text }) => text),
                live: countFlows(rest),
              },
            ]),
      ],
    }),
  };
}

function describeFlow(flow: Flow): RouterReport['connections'][number] {
  const [protocol = `${flow.protocol}`] = Object.entries(protocolNumbers).flatMap(([name, number]) =>
    number === flow.protocol ? [name] : [],
  );
  const { sent, received } = flow;
  return {
    protocol,
    client: renderEndpoint({ address: flow.source, port: flow.sourcePort }),
    port: flow.destinationPort,
    target: renderEndpoint({ address: flow.target, port: flow.targetPort }),
    source: flow.seenAs.text,
    state: flow.tcpState ?? (flow.answered ? 'answered' : 'unanswered'),
    ...(sent !== undefined &&
      received !== undefined && { packets: sent.packets + received.packets, bytes: sent.bytes + received.bytes }),
  };
}
