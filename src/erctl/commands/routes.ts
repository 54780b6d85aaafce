import type { Command } from 'commander';
import { type ClaimsDocument, claimsDocumentSchema } from '../../ingress/claims/claims-document.ts';
import { askAgent, defaultAgent, unknownAnswer } from '../agent-client.ts';
import type { CommandContext } from '../context.ts';
import { renderJson } from '../json.ts';
import { renderRoutes } from '../screens/routes.ts';
import { type OutputFormat, withOutput } from './options.ts';

/** `erctl routes`: lists the owners of the ingress agent's hosts, paths and ports, and the rejected claims. */
export function addRoutes(program: Command, { console }: CommandContext): void {
  const command = program
    .command('routes')
    .description(
      'list the claims on the ingress agent of this node: the owner of each host, path and port, and the rejected Routes and Gateways with the reason. ' +
        'If the agent requires credentials, set STATS_USERNAME and STATS_PASSWORD in the environment.',
    )
    .option('--agent <url>', 'URL of the agent, from its --stats-address and --stats-port', defaultAgent);
  withOutput(command, [
    ['routes', 'the agent of this node'],
    ['routes --agent http://192.168.12.5:1936', 'another agent'],
    ['routes --output json', 'for programs'],
  ]).action(async ({ agent, output }: { agent: string; output: OutputFormat }) => {
    const document = await fetchClaims(agent);
    console.out(output === 'json' ? renderJson(document) : renderRoutes(document, console.screen));
  });
}

async function fetchClaims(agent: string): Promise<ClaimsDocument> {
  const read = claimsDocumentSchema.safeParse(await askAgent(agent, '/claims'));
  if (read.success) return read.data;
  throw unknownAnswer(agent);
}
