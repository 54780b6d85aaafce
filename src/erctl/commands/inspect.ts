import type { Command } from 'commander';
import { describeInspection } from '../../egress/inspect/report.ts';
import { FileStateStore } from '../../egress/linux/state/state-store.ts';
import { haproxyReportSchema } from '../../ingress/http/haproxy-report-document.ts';
import { askAgent, defaultAgent, unknownAnswer } from '../agent-client.ts';
import type { CommandContext } from '../context.ts';
import { exitCodes } from '../failure.ts';
import { renderJson } from '../json.ts';
import { listTcpTargets, lookAt } from '../look.ts';
import { renderHaproxy } from '../screens/haproxy.ts';
import { renderInspection } from '../screens/inspect.ts';
import { findTarget, type TargetOptions } from '../target.ts';
import { type OutputFormat, withOutput, withTarget } from './options.ts';

interface InspectOptions extends TargetOptions {
  readonly output: OutputFormat;
  readonly all?: true;
  readonly connect?: true;
  readonly probe: boolean;
  readonly ingress?: true;
  readonly agent: string;
}

/** `erctl inspect`: shows a router and its problems. */
export function addInspect(program: Command, { console, finish }: CommandContext): void {
  const command = withTarget(
    program
      .command('inspect')
      .description(
        'show a router and its problems: interface, gateway, routes, rules, connections. ' +
          'Exits with 0 if the router is healthy, 1 if it has problems, 2 if it cannot be examined.',
      ),
  )
    .option('--connect', 'also try a TCP connection from the pod to every destination')
    .option('--no-probe', 'do not probe the gateway and the reserved address')
    .option('--all', 'show every redirect and connection')
    .option('--ingress', 'show the HAProxy of the ingress agent on this node instead')
    .option('--agent <url>', 'URL of the agent (with --ingress)', defaultAgent);
  withOutput(command, [
    ['inspect', "the node's only router"],
    ['inspect --pod shop/egress-router-cni-deployment-575465c75c-qkq6m', 'the router of a pod'],
    ['inspect --pid 68857', 'the router of a process'],
    ['inspect --netns /var/run/netns/cni-1234 --connect', 'the router of a network namespace; try its destinations'],
    ['inspect --output json | jq .routers[].problems', 'for programs'],
    ['inspect --ingress', 'on an ingress node'],
  ]).action(async (options: InspectOptions) => {
    if (options.ingress === true) return inspectIngress(options);
    const store = new FileStateStore();
    const observations = lookAt(findTarget(options, store), store, {
      asksOnWire: options.probe,
      listAttempts: options.connect === true ? listTcpTargets : () => [],
    });
    const document = describeInspection(observations);
    console.out(
      options.output === 'json'
        ? renderJson(document)
        : renderInspection(document, console.screen, options.all === true),
    );
    finish(document.healthy ? exitCodes.healthy : exitCodes.problems);
  });

  async function inspectIngress({ agent, output }: InspectOptions): Promise<void> {
    const read = haproxyReportSchema.safeParse(await askAgent(agent, '/haproxy'));
    if (!read.success) throw unknownAnswer(agent);
    console.out(output === 'json' ? renderJson(read.data) : renderHaproxy(read.data, console.screen));
    finish(read.data.problems.length === 0 ? exitCodes.healthy : exitCodes.problems);
  }
}
