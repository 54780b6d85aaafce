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

/** What a request may expect. */
const ofRequest = [
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
  'redirect',
];

/** Expectations that the player checks, by kind of step. */
const expectations: Readonly<Record<string, readonly string[]>> = {
  request: [...ofRequest, 'mirroredTo'],
  mirrorShare: ofRequest,
  websocket: ['upgraded', 'frames'],
  repeat: ['backendSeesHeader', 'podNameStartsWith'],
  grpc: ['code', 'backend', 'namespace'],
  tcp: ['backend', 'namespace', 'isTLS', 'sni'],
  tcpConnect: ['accepted'],
  tlsHandshake: ['closedDuringHandshake'],
  udp: ['service', 'namespace', 'anyAnswer'],
  dnsOverUdp: ['anyDnsAnswer'],
  tcpSample: ['backendOfEveryConnection'],
  udpSample: ['backendOfEveryAnswer'],
};

/** Fields of `backendSees` that the checks obey. */
const seen = ['host', 'path', 'method', 'headers', 'absentHeaders', 'sni', 'clientCertificateAmong'];

/** Fields of the entries of lists and objects that the player obeys, by path. */
const nested: Readonly<Record<string, readonly string[]>> = {
  condition: ['type', 'status', 'reason'],
  'conditions[]': ['type', 'status', 'reason'],
  'parents[]': ['controllerName', 'parentRef', 'conditions'],
  'parents[].parentRef': ['group', 'kind', 'namespace', 'name'],
  'parents[].conditions[]': ['type', 'status', 'reason'],
  'listeners[]': ['name', 'supportedKinds', 'attachedRoutes', 'conditions'],
  'listeners[].conditions[]': ['type', 'status', 'reason'],
  // The bounds in mirroredCountBetween follow from the percentage.
  'mirroredTo[]': ['backend', 'namespace', 'percent'],
  query: ['name', 'type'],
  'expect.redirect': ['host', 'path', 'scheme', 'port'],
  'expect.mirroredTo[]': ['backend', 'namespace'],
  'expect.frames[]': ['send', 'data', 'dataHex', 'answer'],
  'expect.backendSees': seen,
};

/** The only values that the player knows of some fields. */
const values: Readonly<Record<string, readonly unknown[]>> = {
  protocol: ['h2', 'h2c (prior knowledge)'],
  followRedirect: [false],
  subprotocol: [''],
  typeEqualsSpecType: [true],
  'exactly[]': ['<usable address>'],
  'query.type': ['A'],
  'expect.transportError': [true],
  'expect.upgraded': [true],
  'expect.accepted': [true],
  'expect.closedDuringHandshake': [true],
  'expect.anyAnswer': [true],
  'expect.anyDnsAnswer': [true],
  'expect.backendSeesHeader': ['Backend exactly once'],
  'expect.podNameStartsWith': ['value of that header'],
  'parents[].controllerName': ['<controllerName>'],
  // Every frame comes back as it was sent.
  'expect.frames[].answer': ['same text', 'same bytes'],
};

/** Returns whether a request uses HTTP/2. Throws for an unknown protocol. */
export function speaksHttp2(protocol: string | undefined): boolean {
  if (protocol !== undefined && values.protocol?.includes(protocol) !== true)
    throw new Error(`Unknown protocol ${protocol}`);
  return protocol !== undefined;
}

/** Returns what a step demands that the player would not check, such as `request.clientCertificate`. */
export function findUnknownFields(step: Step): readonly string[] {
  if (step.steps !== undefined) return step.steps.flatMap(findUnknownFields);
  const kind = step.do === 'status' ? `status:${step.check}` : (step.do ?? '');
  const known = fields[kind];
  if (known === undefined) return [kind];
  const own = Object.keys(step).filter((name) => !['do', 'check', ...known].includes(name));
  const expected = Object.keys(step.expect ?? {}).filter((name) => expectations[kind]?.includes(name) !== true);
  const inner = kind === 'repeat' ? findUnknownFields({ do: 'request', ...(step.request as Step) }) : [];
  return [
    ...own.map((name) => `${kind}.${name}`),
    ...expected.map((name) => `${kind}.expect.${name}`),
    ...inner.map((name) => `${kind}.${name}`),
    ...listUnknown(step, '').map((name) => `${kind}.${name}`),
  ];
}

/** Returns unknown fields and values below an object, by path. */
function listUnknown(value: unknown, path: string): readonly string[] {
  const allowed = values[path];
  if (allowed !== undefined && !allowed.includes(value)) return [`${path} ${JSON.stringify(value)}`];
  if (Array.isArray(value)) return value.flatMap((one) => listUnknown(one, `${path}[]`));
  if (typeof value !== 'object' || value === null) return [];
  const known = nested[path];
  const strange = known === undefined ? [] : Object.keys(value).filter((name) => !known.includes(name));
  return [
    ...strange.map((name) => `${path}.${name}`),
    ...Object.entries(value).flatMap(([name, one]) => listUnknown(one, path === '' ? name : `${path}.${name}`)),
  ];
}
