import type { Step } from './expectations.ts';

const place = ['gateway', 'listener', 'port'];
const secure = ['sni', 'trust'];

/**
 * Fields of each kind of step that the player obeys, or that only explain the step (`note`, `rule`, `retry` and the
 * like). The suite compares no `sectionNames`, and `listener` names the port that `port` repeats.
 */
const fields: Readonly<Record<string, readonly string[]>> = {
  wait: ['check', 'namespaces'],
  'status:condition': ['kind', 'object', 'parent', 'ancestor', 'condition'],
  'status:listenerConditions': ['kind', 'object', 'listeners', 'conditions'],
  'status:attachedListenerSets': ['kind', 'object', 'count'],
  'status:routesAndParentAccepted': ['parentKind', 'parent', 'routeKind', 'routes'],
  'status:listeners': ['kind', 'object', 'listeners'],
  'status:gatewayAndRoutesAccepted': ['gateway', 'routeKind', 'routes', 'sectionNames'],
  'status:parents': ['kind', 'object', 'parents', 'namespaceRequired'],
  'status:noAcceptedParents': ['kind', 'object'],
  'status:zeroAttachedRoutes': ['kind', 'object'],
  'status:observedGenerationLatest': ['kind', 'object'],
  'status:generationGrew': ['kind', 'object'],
  'status:addressAssigned': ['kind', 'object'],
  'status:statusAddresses': ['kind', 'object', 'exactly', 'typeEqualsSpecType'],
  patch: ['object', 'objects', 'set', 'note'],
  delete: ['object'],
  create: ['object'],
  sleep: ['seconds', 'why'],
  request: [
    ...place,
    ...secure,
    'scheme',
    'host',
    'path',
    'method',
    'headers',
    'protocol',
    'followRedirect',
    'backendAnswersWithHeaders',
    'clientCertificate',
    'addUniqueQuery',
    'expect',
  ],
  websocket: [...place, 'url', 'origin', 'subprotocol', 'expect'],
  repeat: ['times', 'retry', 'request', 'expect'],
  mirrorShare: [
    ...place,
    'scheme',
    'path',
    'method',
    'headers',
    'addUniqueQuery',
    'requests',
    'concurrency',
    'attempts',
    'pauseSecondsBetweenAttempts',
    'mirroredTo',
    'mirroredCountBetween',
    'rule',
    'expect',
  ],
  grpc: [...place, 'service', 'method', 'authority', 'metadata', 'expect'],
  tcp: [...place, ...secure, 'tls', 'expect'],
  tcpConnect: [...place, 'expect'],
  tlsHandshake: [...place, 'sni', 'expect'],
  udp: [...place, 'payload', 'expect'],
  dnsOverUdp: [...place, 'query', 'retry', 'expect'],
  tcpSample: [...place, 'connections', 'timeoutSeconds', 'retry', 'expect'],
  udpSample: [...place, 'payload', 'datagrams', 'answerWithinSeconds', 'retry', 'expect'],
  distribution: [...place, 'request', 'requests', 'concurrency', 'tolerance', 'attempts', 'rule', 'expectShares'],
};

/** Expectations that the checks obey. */
const expectations: ReadonlySet<string> = new Set([
  'status',
  'statusNot',
  'transportError',
  'note',
  'backend',
  'namespace',
  'backendSees',
  'answeredByGateway',
  'responseHeaders',
  'responseHeadersAbsent',
  'responseHeadersOneOf',
  'ignoreSpacesInResponseHeaders',
  'mirroredTo',
  'upgraded',
  'frames',
  'backendSeesHeader',
  'podNameStartsWith',
  'redirect',
  'code',
  'isTLS',
  'sni',
  'service',
  'closedDuringHandshake',
  'accepted',
  'anyAnswer',
  'anyDnsAnswer',
  'backendOfEveryConnection',
  'backendOfEveryAnswer',
]);

/** Fields of `backendSees` that the checks obey. */
const seen: ReadonlySet<string> = new Set([
  'host',
  'path',
  'method',
  'headers',
  'absentHeaders',
  'sni',
  'clientCertificateAmong',
]);

/** Returns what a step demands that the player would not check, such as `request.clientCertificate`. */
export function findUnknownFields(step: Step): readonly string[] {
  if (step.steps !== undefined) return step.steps.flatMap(findUnknownFields);
  const kind = step.do === 'status' ? `status:${step.check}` : (step.do ?? '');
  const known = fields[kind];
  if (known === undefined) return [kind];
  const own = Object.keys(step).filter((name) => !['do', 'check', ...known].includes(name));
  const expected = Object.keys(step.expect ?? {}).filter((name) => !expectations.has(name));
  const sees = Object.keys(step.expect?.backendSees ?? {}).filter((name) => !seen.has(name));
  return [
    ...own.map((name) => `${kind}.${name}`),
    ...expected.map((name) => `${kind}.expect.${name}`),
    ...sees.map((name) => `${kind}.expect.backendSees.${name}`),
  ];
}
