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
  readonly agent: string;
  readonly from?: Address;
  readonly to?: Address;
  readonly incoming?: string;
  readonly send?: true;
}

/** `erctl trace`: where a connection would go, and why. */
export function addTrace(program: Command, { console, finish }: CommandContext): void {
  const command = withTarget(
    program
      .command('trace')
      .description(
        'follow a connection through a router: which rule takes it, where it goes, with which source, and where its ' +
          'answer leaves. Ends with 0 when it gets to a destination, 1 when it does not, 2 when that cannot be told.',
      ),
  )
    .option('--port <number>', 'the port of the router', readPort)
    .option('--host <name>', 'instead: the host of a request to the ingress agent of this node')
    .option('--path <path>', 'its path (with --host)', '/')
    .option('--tls', 'it comes over TLS (with --host)')
    .option('--agent <url>', 'where the agent answers (with --host)', defaultAgent)
    .option('--proto <name>', 'tcp, udp or sctp', readProtocol, 'tcp')
    .option('--from <address>', 'the client', readAddress)
    .option('--to <address>', "the address that the client connects to (default: the pod's own)", readAddress)
    .option('--incoming <interface>', 'where it comes in (default: the interface of clients)')
    .option('--send', 'try it: connect, or send a datagram, from the pod to the destination');
  withOutput(command, [
    ['trace --port 8080', 'TCP, any client'],
    ['trace --proto udp --port 80 --from 10.128.20.30', 'and its way back to this client'],
    ['trace --pod shop/egress-1 --port 8443 --send', 'try the rest of the way'],
    ['trace --port 22 --incoming net1', 'what somebody outside meets'],
    ['trace --host shop.example --path /cart --tls', 'which Route answers a request, and why'],
  ]).action(async (options: TraceOptions) => {
    const { host, port } = options;
    if (host !== undefined) return traceHost(host, options);
    if (port === undefined) throw new ErctlError('--port missing: must be the port of the router; or name a --host');
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
      throw new ErctlError('--send: SCTP cannot be tried from here; leave --send out');
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
    // Of several routers in one pod the first that redirects it takes it.
    const document = documents.find(({ goes }) => goes === 'redirected') ?? documents[0];
    if (document === undefined) {
      throw new ErctlError(
        `The pod has no ${family === undefined ? '' : `IPv${family} `}address that a client could connect to; name one by --to`,
      );
    }
    console.out(options.output === 'json' ? renderJson(document) : renderTrace(document, console.screen));
    finish(document.arrives ? exitCodes.healthy : exitCodes.problems);
  });

  async function traceHost(host: string, { path, tls = false, agent, send, output }: TraceOptions): Promise<void> {
    const asked = { host, path, tls };
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
  if (port === undefined) throw new InvalidArgumentError('It must be a port from 1 to 65535.');
  return port;
}

function readProtocol(text: string): Protocol {
  const protocol = parseProtocol(text);
  if (protocol === undefined) throw new InvalidArgumentError('It must be tcp, udp or sctp.');
  return protocol;
}

function readAddress(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new InvalidArgumentError('It must be an IPv4 or IPv6 address.');
  return address;
}
