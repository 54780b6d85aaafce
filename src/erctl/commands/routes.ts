import type { Command } from 'commander';
import { type ClaimsDocument, claimsDocumentSchema } from '../../ingress/claims/claims-document.ts';
import { askAgent, defaultAgent, unknownAnswer } from '../agent-client.ts';
import type { CommandContext } from '../context.ts';
import { renderJson } from '../json.ts';
import { renderRoutes } from '../screens/routes.ts';
import { type OutputFormat, withOutput } from './options.ts';

/** `erctl routes`: who has the hosts, paths and ports of the ingress agent, and who has not. */
export function addRoutes(program: Command, { console }: CommandContext): void {
  const command = program
    .command('routes')
    .description(
      'list what Routes and Gateways ask of the ingress agent on this node: who has each host, path and port, who was refused, and why. ' +
        'STATS_USERNAME and STATS_PASSWORD are read from the environment when the agent asks for them.',
    )
    .option('--agent <url>', 'where the agent answers: its --stats-address and --stats-port', defaultAgent);
  withOutput(command, [
    ['routes', 'the agent of this node'],
    ['routes --agent http://192.168.12.5:1936', 'another one'],
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
