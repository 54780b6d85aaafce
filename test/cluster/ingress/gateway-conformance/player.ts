import assert from 'node:assert/strict';
import { randomUUID, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { clusterNames } from '../../../../src/base/kubernetes/names.ts';
import { until } from '../../../until.ts';
import type { KubeObject } from '../../lab/api-server.ts';
import { createCertificates } from './certificates.ts';
import type { EchoAnswer } from './echo-protocol.ts';
import type { ConformanceTest, Step } from './expectations.ts';
import type { GatewayLab } from './gateway-lab.ts';
import { writeEndpoint } from './pods.ts';
import { checkNamespaces, checkStatus } from './status-checks.ts';
import { findUnknownFields, speaksHttp2 } from './step-fields.ts';
import { checkAnswer } from './traffic-checks.ts';
import { dnsQuestion, setValue, unusable, usable } from './values.ts';

/** Milliseconds: limit of one step, and pause after a wrong try. */
const times = { step: 20_000, pause: 50 };

/** Right tries in a row that a request needs. */
const inARow = 3;

/** Plays the suite's steps in a lab. */
export class Player {
  readonly #lab: GatewayLab;
  #trust = '';
  #applied: (readonly [kind: string, key: string])[] = [];
  #generation: number | undefined;
  /** The last text that a step has copied from another object. */
  #copied: string | undefined;

  constructor(lab: GatewayLab) {
    this.#lab = lab;
  }

  /** Creates the objects of all tests. */
  async prepare(): Promise<void> {
    this.#trust = createCertificates(this.#lab);
    await this.#apply('base/manifests.yaml');
    this.#applied = [];
  }

  /** Applies the objects of a test, plays its steps, and removes the objects. */
  async play({ manifests, steps }: ConformanceTest): Promise<void> {
    assert.deepEqual(steps.flatMap(findUnknownFields), [], 'the player would not check these');
    try {
      for (const manifest of manifests) await this.#apply(manifest);
      for (const step of steps) await this.#run(step);
    } finally {
      for (const [kind, key] of this.#applied.splice(0).reverse()) this.#lab.remove(kind, key);
    }
  }

  async #apply(path: string): Promise<void> {
    const text = readFileSync(new URL(`./data/${path}`, import.meta.url), 'utf8')
      .replaceAll('{GATEWAY_CLASS_NAME}', 'conformance')
      .replaceAll('{GATEWAY_CONTROLLER_NAME}', clusterNames.gatewayController)
      .replaceAll('PLACEHOLDER_UNUSABLE_ADDRS', unusable)
      .replaceAll('PLACEHOLDER_USABLE_ADDRS', usable);
    const objects = parseAllDocuments(text).flatMap((document) => (document.toJS() as KubeObject | null) ?? []);
    for (const object of objects) {
      const kind = object.kind as string;
      const { namespace, name } = object.metadata;
      this.#applied.push([kind, namespace === undefined ? name : `${namespace}/${name}`]);
      this.#lab.apply(kind, object);
    }
    const ofKind = (kind: string) => objects.filter((one) => one.kind === kind);
    await this.#lab.run(ofKind('Deployment'), ofKind('Service'));
  }

  async #run(step: Step): Promise<void> {
    if (step.steps !== undefined) {
      for (const one of step.steps) await this.#run(one);
      return;
    }
    switch (step.do) {
      case 'wait':
        await this.#lab.settle(() => checkNamespaces(this.#lab, step.namespaces ?? []), times.step);
        return;
      case 'status':
        await this.#lab.settle(() => checkStatus(this.#lab, step, this.#generation), times.step);
        return;
      case 'patch':
        this.#patch(step);
        return;
      case 'delete': {
        const [kind = '', key = ''] = (step.object as string).split(' ');
        this.#lab.remove(kind, key);
        return;
      }
      case 'create': {
        const object = this.#fill(step.object as KubeObject);
        this.#lab.apply(object.kind as string, object);
        this.#applied.push([object.kind as string, `${object.metadata.namespace}/${object.metadata.name}`]);
        return;
      }
      case 'sleep':
        await pause((step.seconds ?? 0) * 1000);
        return;
      default:
        await this.#runTraffic(step);
    }
  }

  /** Returns an object with the content of others in place of `<ca.crt of ConfigMap …>`. */
  #fill<T>(object: T): T {
    const text = JSON.stringify(object, (_, value: unknown) => {
      if (value === '<the CA text copied before>') return this.#copied;
      const key = typeof value === 'string' ? /^<ca\.crt of ConfigMap (.*)>$/.exec(value)?.[1] : undefined;
      if (key === undefined) return value;
      const { data } = this.#lab.get('ConfigMap', key) as { readonly data?: Record<string, string> };
      this.#copied = data?.['ca.crt'];
      return this.#copied;
    });
    return JSON.parse(text) as T;
  }

  /** Returns the certificate and key of `Secret NAMESPACE/NAME`. */
  #pairOf(secret: string): { readonly certificate: string; readonly key: string } {
    const data = this.#lab.get('Secret', secret.replace('Secret ', ''))?.data as Record<string, string>;
    const decode = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString();
    return { certificate: decode('tls.crt'), key: decode('tls.key') };
  }

  #patch({ object, objects, set = {} }: Step): void {
    if (objects !== undefined) {
      // EndpointSlices that a test fills with the addresses of pods.
      const pods = this.#lab.podsOf('gateway-conformance-infra/infra-backend-v1');
      for (const key of objects.map((one) => one.split(' ')[1] ?? '').filter((one) => one.endsWith('ip4'))) {
        this.#lab.apply('EndpointSlice', {
          ...this.#lab.get('EndpointSlice', key),
          endpoints: pods.map(writeEndpoint),
        });
      }
      return;
    }
    const [kind = '', key = ''] = (object as string).split(' ');
    // The objects of a test are removed after it.
    if (Object.values(set).includes('<as before the test>')) return;
    const next = structuredClone(this.#lab.get(kind, key)) as KubeObject;
    this.#generation = next.metadata.generation as number;
    for (const [path, value] of Object.entries(this.#fill(set))) setValue(next, path, value);
    this.#lab.apply(kind, next);
  }

  async #runTraffic(step: Step): Promise<void> {
    switch (step.do) {
      case 'request':
        return this.#repeat(step, inARow, () => this.#request(step));
      case 'grpc':
        return this.#repeat(step, inARow, () => this.#call(step));
      case 'tcp':
        return this.#repeat(step, 1, () => this.#talk(step));
      case 'tcpConnect':
        return this.#repeat(step, 1, async () => {
          const { error } = await this.#lab.ask({ do: 'tcp', question: this.#placeOf(step) });
          return error;
        });
      case 'udp':
      case 'dnsOverUdp':
        return this.#repeat(step, 1, () => this.#send(step));
      case 'tlsHandshake':
        return this.#repeat(step, 1, async () => {
          const { error } = await this.#lab.ask({
            do: 'handshake',
            question: { ...this.#placeOf(step), tls: tlsOf(step) },
          });
          return error === 'closed' ? undefined : `the handshake ended with ${error}`;
        });
      case 'tcpSample':
      case 'udpSample':
        return this.#sample(step);
      case 'distribution':
        return this.#distribute(step);
      case 'websocket':
        return this.#repeat(step, 1, () => this.#upgrade(step));
      case 'mirrorShare':
        return this.#countCopies(step);
      case 'repeat':
        return this.#sendOften(step);
      default:
        throw new Error(`Unknown step ${JSON.stringify(step)}`);
    }
  }

  /** Tries until enough answers in a row are right. */
  async #repeat(step: Step, times_: number, attempt: () => Promise<string | undefined>): Promise<void> {
    const deadline = performance.now() + times.step;
    for (let right = 0; right < times_; ) {
      const problem = await attempt();
      right = problem === undefined ? right + 1 : 0;
      if (problem === undefined) continue;
      if (performance.now() > deadline) {
        assert.fail(`${JSON.stringify(step)}: ${problem}\n${this.#lab.log.slice(-3000)}`);
      }
      await pause(times.pause);
    }
  }

  #placeOf({ gateway = '', port = 0 }: Step): { readonly address: string; readonly port: number } {
    const status = this.#lab.get('Gateway', gateway)?.status as
      | { readonly addresses?: readonly { readonly value: string }[] }
      | undefined;
    return { address: status?.addresses?.[0]?.value ?? '192.0.2.1', port };
  }

  async #request(written: Step): Promise<string | undefined> {
    const step = withUnique(written);
    const problem = this.#check(step, await this.#askHttp(step));
    if (problem !== undefined) return problem;
    for (const { backend, namespace } of step.expect?.mirroredTo ?? []) {
      await until(
        async () => (await this.#lab.countReceived({ uri: step.path ?? '/', backend, namespace })) > 0,
        () => `no copy of ${step.path} at ${backend}`,
      );
    }
    return undefined;
  }

  #check(step: Step, answer: EchoAnswer): string | undefined {
    const certificateOf = (secret: string) =>
      new X509Certificate(this.#pairOf(secret).certificate).raw.toString('base64');
    return checkAnswer(step, answer, step.scheme === 'https', certificateOf);
  }

  async #askHttp(step: Step): Promise<EchoAnswer> {
    const { host, path = '/', method = 'GET', headers = {}, scheme, protocol, backendAnswersWithHeaders } = step;
    const { address, port } = this.#placeOf(step);
    const isHttps = scheme === 'https';
    const wished = Object.entries(backendAnswersWithHeaders ?? {}).map(([name, value]) => `${name}:${value}`);
    const usual = isHttps ? 443 : 80;
    return this.#lab.ask({
      do: 'http',
      question: {
        address,
        port,
        method,
        path,
        headers: {
          host: host ?? (port === usual ? address : `${address}:${port}`),
          ...headers,
          'x-echo-set-header': wished.join(','),
        },
        ...(isHttps && {
          tls: {
            ...tlsOf(step),
            trust: this.#trust,
            ...(step.clientCertificate !== undefined && { pair: this.#pairOf(step.clientCertificate) }),
          },
        }),
        ...(speaksHttp2(protocol) && { isHttp2: true }),
      },
    });
  }

  /** Sends frames on a WebSocket connection. */
  async #upgrade({ url = '', origin = '', expect = {}, ...step }: Step): Promise<string | undefined> {
    const place = this.#placeOf(step);
    const frames = (expect.frames ?? []).map(({ send, data, dataHex }) => ({
      opcode: send === 'text' ? (1 as const) : (2 as const),
      hex: dataHex ?? Buffer.from(data ?? '').toString('hex'),
    }));
    const headers = { host: place.address, origin };
    const { pathname: path } = new URL(url.replace('<address>', place.address));
    return (await this.#lab.ask({ do: 'websocket', question: { ...place, path, headers, frames } })).error;
  }

  /** Counts the copies of many requests, within the bounds in one of several attempts. */
  async #countCopies(written: Step): Promise<void> {
    const { requests = 500, concurrency = 10, attempts = 5, mirroredTo = [] } = written;
    const [least, most] = written.mirroredCountBetween ?? [0, 0];
    let last: unknown;
    for (let attempt = 0; attempt < attempts; attempt++) {
      const step = withUnique(written);
      const run = async (): Promise<void> => {
        for (let count = 0; count < requests / concurrency; count++) {
          const problem = this.#check(step, await this.#askHttp(step));
          assert.equal(problem, undefined);
        }
      };
      await Promise.all(Array.from({ length: concurrency }, run));
      const counts = await Promise.all(
        mirroredTo.map(({ backend, namespace }) =>
          this.#settleCount(() => this.#lab.countReceived({ uri: step.path ?? '/', backend, namespace })),
        ),
      );
      last = counts;
      if (counts.every((count) => count >= least && count <= most)) return;
    }
    assert.fail(`${JSON.stringify(last)} copies instead of ${least} to ${most}`);
  }

  /** Returns a count that has stopped growing. */
  async #settleCount(read: () => Promise<number>): Promise<number> {
    let before = -1;
    for (let now = await read(); now !== before; now = await read()) {
      before = now;
      await pause(200);
    }
    return before;
  }

  /** Each of many requests reaches the pod that its header names. */
  async #sendOften({ times: count = 1, request, expect = {} }: Step): Promise<void> {
    const name = expect.backendSeesHeader?.split(' ')[0]?.toLowerCase() ?? '';
    for (let index = 0; index < count; index++) {
      const { echo, error, status } = await this.#askHttp(request as Step);
      const values: readonly string[] = echo?.headers[name] ?? [];
      assert.equal(values.length, 1, `${values.join()} ${error ?? status}`);
      assert.ok(`${echo?.pod}`.startsWith(values[0] ?? ''), `${echo?.pod} got ${values[0]}`);
    }
  }

  async #call(step: Step): Promise<string | undefined> {
    const { service = '', method = '', authority, metadata = {}, expect } = step;
    const place = this.#placeOf(step);
    const answer = await this.#lab.ask({
      do: 'grpc',
      question: { ...place, service, method, authority: authority ?? place.address, metadata },
    });
    const { echo = {} } = answer;
    const isRight =
      answer.code === expect?.code &&
      (expect?.code !== 'OK' ||
        (`${echo.pod}`.startsWith(expect.backend ?? '') && echo.namespace === expect.namespace));
    return isRight ? undefined : JSON.stringify(answer);
  }

  async #talk(step: Step): Promise<string | undefined> {
    const { expect = {}, tls } = step;
    const answer = await this.#lab.ask({
      do: 'tcp',
      question: { ...this.#placeOf(step), ...(tls === true && { tls: { ...tlsOf(step), trust: this.#trust } }) },
    });
    const { echo = {} } = answer;
    const isRight =
      `${echo.pod}`.startsWith(`${expect.backend}-`) &&
      echo.namespace === expect.namespace &&
      echo.isTLS === expect.isTLS &&
      (expect.sni === undefined || echo.tls?.serverName === expect.sni);
    return isRight ? undefined : JSON.stringify(answer);
  }

  async #send(step: Step): Promise<string | undefined> {
    const { expect = {}, payload, query } = step;
    const question = { ...this.#placeOf(step), payload: query === undefined ? payload : dnsQuestion(query.name) };
    const answer = await this.#lab.ask({ do: 'udp', question: { ...question, payload: question.payload ?? '' } });
    if (answer.error !== undefined) return answer.error;
    const { echo = {} } = answer;
    const isRight =
      (expect.service === undefined || echo.service === expect.service) &&
      (expect.namespace === undefined || echo.namespace === expect.namespace);
    return isRight ? undefined : JSON.stringify(answer);
  }

  /** Every one of many connections or datagrams leads to one backend. */
  async #sample(step: Step): Promise<void> {
    const { expect = {}, connections, datagrams, payload = '' } = step;
    const backend = expect.backendOfEveryConnection ?? expect.backendOfEveryAnswer ?? '';
    const question = { ...this.#placeOf(step), payload };
    for (let count = connections ?? datagrams ?? 0; count > 0; count--) {
      const { echo, error } = await this.#lab.ask({ do: connections === undefined ? 'udp' : 'tcp', question });
      assert.ok(`${echo?.pod}`.startsWith(`${backend}-`), `${echo?.pod} ${error}`);
    }
  }

  /** Shares of requests by backend, within the tolerance in one of several attempts. */
  async #distribute(step: Step): Promise<void> {
    const { requests = 500, concurrency = 10, tolerance = 0.05, attempts = 10, expectShares = {} } = step;
    let last: unknown;
    for (let attempt = 0; attempt < attempts; attempt++) {
      const counts = new Map<string, number>();
      const run = async (count: number): Promise<void> => {
        for (let index = 0; index < count; index++) {
          const pod = await this.#askPod(step);
          const backend = Object.keys(expectShares).find((name) => pod.startsWith(`${name}-`)) ?? pod;
          counts.set(backend, (counts.get(backend) ?? 0) + 1);
        }
      };
      await Promise.all(Array.from({ length: concurrency }, () => run(requests / concurrency)));
      last = Object.fromEntries(counts);
      const isRight =
        [...counts.keys()].every((name) => (expectShares[name] ?? 0) > 0) &&
        Object.entries(expectShares).every(
          ([name, share]) => Math.abs((counts.get(name) ?? 0) / requests - share) <= tolerance,
        );
      if (isRight) return;
    }
    assert.fail(`shares ${JSON.stringify(last)} instead of ${JSON.stringify(expectShares)}`);
  }

  /** Name of the pod that answers one request of a distribution. */
  async #askPod(step: Step): Promise<string> {
    const request = typeof step.request === 'string' ? step.request : '';
    const place = this.#placeOf(step);
    const headers: Record<string, string> =
      Math.random() < 0.5 ? { 'x-jitter': `${Math.floor(Math.random() * 10_000)}` } : {};
    const ask = (): Promise<EchoAnswer> => {
      if (request.startsWith('GrpcEcho')) {
        const service = 'gateway_api_conformance.echo_basic.grpcecho.GrpcEcho';
        const question = { ...place, service, method: 'Echo', authority: place.address, metadata: headers };
        return this.#lab.ask({ do: 'grpc', question });
      }
      if (request.startsWith('new TCP')) return this.#lab.ask({ do: 'tcp', question: place });
      if (request.startsWith('new socket')) {
        return this.#lab.ask({ do: 'udp', question: { ...place, payload: 'gateway-api-conformance-udp-weight\n' } });
      }
      const question = { ...place, method: 'GET', path: '/', headers: { host: place.address, ...headers } };
      return this.#lab.ask({ do: 'http', question });
    };
    const { echo, error, status } = await ask();
    return echo?.pod ?? `${error ?? status}`;
  }
}

/** Adds the values that are new for each try. */
function withUnique(step: Step): Step {
  const { path = '/', addUniqueQuery, expect = {} } = step;
  const unique = path.replace('<new UUID each request>', randomUUID());
  if (addUniqueQuery === undefined) return unique === path ? step : { ...step, path: unique };
  const added = `${unique}?${addUniqueQuery}=${randomUUID()}`;
  const { backendSees } = expect;
  return {
    ...step,
    path: added,
    expect: { ...expect, ...(backendSees?.path !== undefined && { backendSees: { ...backendSees, path: added } }) },
  };
}

function tlsOf({ sni, host }: Step): { readonly sni: string } {
  return { sni: sni ?? host ?? '' };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
