import { ProblemList } from '../src/base/read/problem-list.ts';
import { destinationsAnnotation } from '../src/egress/api/egress-router.ts';
import {
  avoidedAnnotation,
  configurationAnnotation,
  manifestAnnotation,
  networksAnnotation,
  rolloutAnnotation,
  structureAnnotation,
} from '../src/egress/controller/objects/configuration.ts';
import {
  appliedAnnotation,
  closedAnnotation,
  namesAnnotation,
  refusedAnnotation,
} from '../src/egress/model/live-change.ts';
import { optionTable as agentOptions } from '../src/ingress/agent/option-table.ts';
import { httpOptionTable } from '../src/ingress/http/option-table.ts';
import { idledAnnotation } from '../src/ingress/objects/service.ts';
import { filesAnnotation, annotations as ingressAnnotations } from '../src/ingress/operator/names.ts';
import { listHttpAnnotations, readHttpAnnotations } from '../src/ingress/route/http-annotations.ts';
import { listPortAnnotations, readPortAnnotations } from '../src/ingress/route/port-annotations.ts';
import { defaultRouterNameKey } from '../src/ingress/route/route.ts';

/** What a person needs to know of an annotation; its values come from the parser. */
interface Words {
  readonly meaning: string;
  readonly initial?: string;
}

const limits = 'haproxy.router.openshift.io/rate-limit-connections';
const options = httpOptionTable;

/** Annotations of Routes. A test fails if a parser reads another one, or none of these. */
const routeWords: Readonly<Record<string, Words>> = {
  'haproxy.router.openshift.io/external-tcp-port': {
    meaning: 'TCP port that the ingress nodes open for this Route',
    initial: 'no port',
  },
  'haproxy.router.openshift.io/external-udp-port': {
    meaning: 'UDP port that the ingress nodes open for this Route',
    initial: 'no port',
  },
  'haproxy.router.openshift.io/external-sctp-port': {
    meaning: 'SCTP port that the ingress nodes open for this Route',
    initial: 'no port',
  },
  'haproxy.router.openshift.io/balance': {
    meaning: 'how connections and requests are spread over endpoints',
    initial: '`roundrobin` with several Services, else `--balance` (`--tcp-balance` for ports and passthrough)',
  },
  [limits]: { meaning: 'enables the three limits below; each counts one client address', initial: 'false' },
  [`${limits}.concurrent-tcp`]: { meaning: 'concurrent connections of a client', initial: 'no limit' },
  [`${limits}.rate-tcp`]: { meaning: 'connections of a client within 3 seconds', initial: 'no limit' },
  [`${limits}.rate-http`]: {
    meaning: 'requests of a client within 10 seconds; not for passthrough',
    initial: 'no limit',
  },
  'haproxy.router.openshift.io/timeout': {
    meaning:
      'timeout of a silent server; on ports, the age at which the state of a silent connection is deleted (without `timeout-tunnel`)',
    initial: `\`--server-timeout\` (${options['server-timeout'].initial}); ports: the kernel's timeouts`,
  },
  'haproxy.router.openshift.io/timeout-tunnel': {
    meaning: 'timeout of a silent WebSocket, passthrough or port connection',
    initial: `\`--http-tunnel-timeout\` (${options['http-tunnel-timeout'].initial}); ports: \`timeout\``,
  },
  'haproxy.router.openshift.io/ip_allowlist': {
    meaning: 'clients that may connect; takes precedence over `ip_whitelist`',
    initial: 'any client',
  },
  'haproxy.router.openshift.io/ip_whitelist': { meaning: 'older name of `ip_allowlist`', initial: 'any client' },
  'router.openshift.io/haproxy.health.check.interval': {
    meaning: 'interval between health checks of an endpoint',
    initial: `\`--check-interval\` (${agentOptions['check-interval'].initial})`,
  },
  'haproxy.router.openshift.io/disable_cookies': {
    meaning: 'disables the cookie that keeps a client at its endpoint',
    initial: 'false',
  },
  'router.openshift.io/cookie_name': {
    meaning: 'name of that cookie',
    initial: '`--cookie-name`, else derived from namespace and name',
  },
  'router.openshift.io/cookie-same-site': {
    meaning: 'SameSite attribute of the cookie; set only for Routes with TLS that do not allow plain HTTP',
    initial: 'None',
  },
  'haproxy.router.openshift.io/pod-concurrent-connections': {
    meaning: 'concurrent connections to one endpoint; others wait',
    initial: 'no limit',
  },
  'haproxy.router.openshift.io/set-forwarded-headers': {
    meaning: 'how Forwarded and X-Forwarded headers are set',
    initial: `\`--forwarded-headers\` (${options['forwarded-headers'].initial})`,
  },
  'haproxy.router.openshift.io/rewrite-target': {
    meaning: "path that replaces the Route's path in requests",
    initial: 'the path stays',
  },
  'haproxy.router.openshift.io/hsts_header': {
    meaning: 'value of Strict-Transport-Security; only for edge and re-encrypt',
    initial: 'no header',
  },
  'haproxy.router.openshift.io/h1-adjust-case': {
    meaning: 'sends header names to HTTP/1 clients in the case that `--h1-case-adjust` lists',
    initial: 'false',
  },
  [defaultRouterNameKey]: {
    meaning: 'name of the router that serves the Route; `--router-name-annotation` selects another key',
    initial: 'agents without `--router-name` serve the Route',
  },
};

/** Annotations of other objects: who writes each, and what for. */
const otherWords: readonly (readonly [key: string, object: string, writer: string, meaning: string])[] = [
  [
    'egress-router.io/addresses',
    'Namespace',
    'administrator',
    'addresses that the namespace may reserve, separated by commas; enforced by `manifests/policies`',
  ],
  [networksAnnotation, 'router pod', 'controller, or author', 'the NetworkAttachmentDefinition that Multus attaches'],
  [
    'k8s.v1.cni.cncf.io/network-status',
    'router pod',
    'Multus',
    'addresses that the pod has; the controller requires the reserved one in it before a router is Available',
  ],
  [configurationAnnotation, 'router pod', 'controller', 'digest of the configuration that the pod starts with'],
  [
    structureAnnotation,
    'router pod',
    'controller',
    'digest of what a running pod cannot change; another value replaces the pod',
  ],
  [
    rolloutAnnotation,
    'EgressRouter',
    'administrators',
    'a new value replaces the pods with ones of the current version and image',
  ],
  [
    destinationsAnnotation,
    'EgressRouter',
    'administrators',
    'further destinations, one per line, such as `8443 TCP api.partner.example 443`; for OpenShift, whose CRD has no field for names',
  ],
  [avoidedAnnotation, 'router pod', 'controller', 'nodes that the pod avoids after a failure or a cordon'],
  [manifestAnnotation, 'objects of the controller', 'controller', 'digest of what the controller last applied'],
  [appliedAnnotation, 'router pod', 'node daemon', 'digest of the configuration that the router runs'],
  [
    refusedAnnotation,
    'router pod',
    'node daemon',
    'configuration that could not be applied to the running router, and the reason',
  ],
  [ingressAnnotations.http2, 'IngressController', 'administrators', '`true` offers HTTP/2 to clients'],
  [
    ingressAnnotations.hardStopAfter,
    'IngressController',
    'administrators',
    'time after which old HAProxy processes end, such as `30m`',
  ],
  [
    ingressAnnotations.loadBalancerClass,
    'IngressController',
    'administrators',
    '`spec.loadBalancerClass` of the Service of type LoadBalancer',
  ],
  [
    ingressAnnotations.addressPool,
    'IngressController, Service of type LoadBalancer',
    'administrators, authors',
    'name of the IngressAddressPool that assigns the virtual addresses; without it, a Service gets them from any pool that admits its namespace',
  ],
  [
    ingressAnnotations.serviceAnnotations,
    'IngressController',
    'administrators',
    'annotations of that Service, an object of strings in JSON or YAML',
  ],
  [
    filesAnnotation,
    'pod of an IngressController',
    'controller',
    'digest of copied files that the agent reads when it starts; another value replaces the pod',
  ],
  [closedAnnotation, 'router pod', 'node daemon', 'address conflict that keeps the router closed'],
  [
    namesAnnotation,
    'router pod',
    'node daemon',
    'DNS names of the router with their addresses, expiry and errors, as JSON by interface; the controller shows them in the status of the EgressRouter',
  ],
  [
    idledAnnotation,
    'Service',
    '`oc idle`',
    'the Service is idled; the agent sends connections to its cluster address, which wakes it',
  ],
  [
    'NODE/ingress-agent',
    'Lease `ingress-agent-ROUTER-nodes`',
    'ingress agent',
    'addresses of an ingress node, for the statuses of Gateways',
  ],
];

/** Returns the page of annotations. Throws if a parser reads an annotation that has no words here. */
export function makeAnnotationsPage(): string {
  const [http, ports] = [new Set(listHttpAnnotations()), new Set(listPortAnnotations())];
  const read = new Set([...ports, ...http, defaultRouterNameKey]);
  const keys = Object.keys(routeWords);
  const missing = [...read].filter((key) => routeWords[key] === undefined);
  const stale = keys.filter((key) => !read.has(key));
  if (missing.length + stale.length > 0) {
    throw new Error(`hack/annotations-page.ts: describe ${missing.join(', ')}; remove ${stale.join(', ')}`);
  }
  const rows = keys.map((key) => {
    const { meaning, initial } = routeWords[key] as Words;
    const both = http.has(key) && ports.has(key);
    const place = key === defaultRouterNameKey || both ? 'both' : http.has(key) ? 'hosts' : 'ports';
    return [`\`${key}\``, place, describeValues(key), initial ?? '', meaning];
  });
  return `${head}
## Routes

${formatRows(['annotation', 'applies to', 'values', 'default', 'meaning'], rows)}

## EgressRouters

The programs read no annotations of EgressRouters: everything is in \`spec\`. \`kubectl explain egressrouter.spec\` describes the fields.

## Pods and other objects

Set only the annotations that an administrator or an author writes.

${formatRows(
  ['annotation', 'object', 'written by', 'meaning'],
  otherWords.map(([key, ...rest]) => [`\`${key}\``, ...rest]),
)}
`;
}

const head = `<!-- Generated by hack/generate from the parsers of src/ingress/route: do not edit. -->
# Annotations

Values are strings, so quote numbers and booleans. The agent ignores an invalid value of a host's Route, as OpenShift's router does, and reports it in the status; a port with an invalid annotation is not opened, and the status names the annotation. \`erctl validate FILE\` finds invalid values and misspelt names before you apply a file.

TIME is a number with \`us\`, \`ms\`, \`s\`, \`m\`, \`h\` or \`d\`; without a unit it is in milliseconds. "hosts" are Routes served by HAProxy, "ports" are Routes with an \`external-…-port\`.
`;

/** Returns what the parsers accept, from the error that they report for a text that no annotation may have. */
function describeValues(key: string): string {
  if (key === defaultRouterNameKey) return 'a name';
  const texts = [readHttpAnnotations, readPortAnnotations].flatMap((read) => {
    const problems = new ProblemList();
    read({ [limits]: 'true', [key]: '\u0001' }, defaultRouterNameKey, problems);
    return problems.list.filter(({ path }) => path.endsWith(`[${key}]`)).map(({ cure }) => shorten(cure));
  });
  const [first = '', second = first] = texts;
  return (first === second ? first : `hosts: ${first}; ports: ${second}`).replaceAll('|', '\\|');
}

function shorten(cure: string): string {
  return cure
    .replace(/^must (be|have) (such as )?/, (_, _verb, such) => (such === undefined ? '' : 'such as '))
    .replace(/, not "\\u0001"$/, '')
    .replace('a time such as "30s": a number above 0 and us, ms, s, m, h, d or nothing (ms)', 'TIME');
}

function formatRows(names: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [names, names.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
