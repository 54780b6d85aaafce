import { type Command, InvalidArgumentError } from 'commander';
import { type Address, parseAddress } from '../../base/model/address.ts';
import type { Protocol } from '../../base/model/redirect.ts';
import { parsePort, parseProtocol } from '../../base/read/parse-port.ts';
import { describeTrace, followRules, type TraceQuestion } from '../../egress/inspect/trace.ts';
import { FileStateStore } from '../../egress/linux/state/state-store.ts';
import { defaultAgent } from '../agent-client.ts';
import type { CommandContext } from '../context.ts';
import { ErctlError, exitCodes } from '../failure.ts';
import { renderJson } from '../json.ts';
import { lookAt } from '../look.ts';
import { fetchRequestTrace, sendRequest } from '../request-trace.ts';
import { renderRequestTrace } from '../screens/request-trace.ts';
import { renderTrace } from '../screens/trace.ts';
import { findTarget, type TargetOptions } from '../target.ts';
import { type OutputFormat, withOutput, withTarget } from './options.ts';

interface TraceOptions extends TargetOptions {
  readonly output: OutputFormat;
  readonly proto: Protocol;
  readonly port?: number;
  readonly host?: string;
  readonly path: string;
  readonly tls?: boolean;
  readonly method?: string;
  readonly header: readonly string[];
  readonly query: readonly string[];
  readonly agent: string;
  readonly from?: Address;
  readonly to?: Address;
  readonly incoming?: string;
  readonly send?: true;
}

/** `erctl trace`: shows where a connection goes, and why. */
export function addTrace(program: Command, { console, finish }: CommandContext): void {
  const command = withTarget(
    program
      .command('trace')
      .description(
        'follow a connection through a router: the rule that matches it, its target, its source address, and the way back. ' +
          'Exits with 0 if it reaches a destination, 1 if it does not, 2 if that is unknown.',
      ),
  )
    .option('--port <number>', 'port of the router, or of a listener (with --host)', readPort)
    .option('--host <name>', 'trace a request for this host through the ingress agent on this node instead')
    .option('--path <path>', 'path of the request, encoded, without a query (with --host)', readPath, '/')
    .option('--tls', 'the request uses TLS (with --host)')
    .option('--method <name>', 'method of the request (with --host; default: GET)', readMethod)
    .option('--header <name=value>', 'header of the request (with --host; repeatable)', readHeader, [])
    .option('--query <name=value>', 'query parameter of the request (with --host; repeatable)', readPair, [])
    .option('--agent <url>', 'URL of the agent (with --host)', defaultAgent)
    .option('--proto <name>', 'tcp, udp or sctp', readProtocol, 'tcp')
    .option('--from <address>', 'address of the client', readAddress)
    .option(
      '--to <address>',
      'address that the client connects to (default: the address of the pod; with --host: any of the listener)',
      readAddress,
    )
    .option('--incoming <interface>', 'incoming interface (default: the interface that clients use)')
    .option('--send', 'also connect, or send a datagram, from the pod to the destination');
  withOutput(command, [
    ['trace --port 8080', 'TCP, any client'],
    ['trace --proto udp --port 80 --from 10.128.20.30', 'with the way back to this client'],
    ['trace --pod shop/egress-1 --port 8443 --send', 'try the connection to the destination'],
    ['trace --port 22 --incoming net1', 'a connection from outside'],
    ['trace --host shop.example --path /cart --tls', 'which Route answers a request, and why'],
    ['trace --host shop.example --method POST --header version=two', "which rule of a Gateway's route answers"],
  ]).action(async (options: TraceOptions) => {
    const { host, port } = options;
    if (host !== undefined) return traceHost(host, options);
    if (port === undefined) throw new ErctlError('--port is missing: set the port of the router, or --host');
    const store = new FileStateStore();
    const { from, to, incoming } = options;
    const family = (from ?? to)?.family;
    const question: TraceQuestion = {
      protocol: options.proto,
      port,
      ...(family !== undefined && { family }),
      ...(from !== undefined && { client: from }),
      ...(to !== undefined && { destination: to }),
      ...(incoming !== undefined && { incoming }),
    };
    if (options.send === true && options.proto === 'sctp') {
      throw new ErctlError('--send: not supported for SCTP; remove --send');
    }
    const observations = lookAt(findTarget(options, store), store, {
      asksOnWire: true,
      ...(from !== undefined && { client: from }),
      listAttempts: (observed) => {
        const trace = followRules(observed, question)?.trace;
        if (options.send !== true || trace?.kind !== 'redirected' || options.proto === 'sctp') return [];
        return [{ protocol: options.proto, address: trace.target, port: trace.port }];
      },
    });
    const documents = observations
      .map((observed) => describeTrace(observed, question))
      .filter((one) => one !== undefined);
    // If a pod has several routers, the first one that redirects the connection handles it.
    const document = documents.find(({ goes }) => goes === 'redirected') ?? documents[0];
    if (document === undefined) {
      throw new ErctlError(
        `The pod has no ${family === undefined ? '' : `IPv${family} `}address that a client could connect to; set one with --to`,
      );
    }
    console.out(options.output === 'json' ? renderJson(document) : renderTrace(document, console.screen));
    finish(document.arrives ? exitCodes.healthy : exitCodes.problems);
  });

  async function traceHost(host: string, options: TraceOptions): Promise<void> {
    const { path, tls = false, agent, send, output, method, header, query, port, to } = options;
    const asked = {
      host,
      path,
      tls,
      headers: header,
      query,
      ...(method !== undefined && { method }),
      ...(port !== undefined && { port }),
      ...(to !== undefined && { address: to.text }),
    };
    const trace = await fetchRequestTrace(agent, asked);
    const attempt = send === true ? await sendRequest(agent, asked, trace) : undefined;
    console.out(
      output === 'json'
        ? renderJson({ ...trace, ...(attempt !== undefined && { attempt }) })
        : renderRequestTrace(trace, attempt, console.screen),
    );
    const isServed = trace.outcome !== 'error' && attempt?.isAnswered !== false;
    finish(isServed ? exitCodes.healthy : exitCodes.problems);
  }
}

function readPort(text: string): number {
  const port = parsePort(text);
  if (port === undefined) throw new InvalidArgumentError('Must be a port from 1 to 65535.');
  return port;
}

function readPath(text: string): string {
  if (text.includes('?')) throw new InvalidArgumentError('Must not contain "?"; set parameters with --query.');
  if (/^\/[\x21-\x22\x24-\x7e]*$/.test(text)) return text;
  throw new InvalidArgumentError('Must begin with "/", and other characters than visible ASCII must be encoded (%20).');
}

/** A name of RFC 9110, §5.6.2. */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

function readMethod(text: string): string {
  if (token.test(text)) return text.toUpperCase();
  throw new InvalidArgumentError('Must be a method such as POST.');
}

/** Headers that other options set, or that describe a body. */
const ownHeaders: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'expect',
]);

function readHeader(text: string, before: readonly string[]): readonly string[] {
  const all = readPair(text, before);
  const name = text.slice(0, text.indexOf('='));
  if (ownHeaders.has(name.toLowerCase()))
    throw new InvalidArgumentError(`Must not be ${name}; set the host with --host.`);
  // Values consist of visible characters, blanks and tabs (RFC 9110, §5.5).
  if (token.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(text.slice(name.length + 1))) return all;
  throw new InvalidArgumentError('Must be NAME=VALUE, without control characters.');
}

/** Collects the values of an option that may be repeated. */
function readPair(text: string, before: readonly string[]): readonly string[] {
  if (text.indexOf('=') < 1) throw new InvalidArgumentError('Must be NAME=VALUE.');
  return [...before, text];
}

function readProtocol(text: string): Protocol {
  const protocol = parseProtocol(text);
  if (protocol === undefined) throw new InvalidArgumentError('Must be tcp, udp or sctp.');
  return protocol;
}

function readAddress(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new InvalidArgumentError('Must be an IPv4 or IPv6 address.');
  return address;
}
