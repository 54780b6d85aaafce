import type { Command } from 'commander';
import { type AddressesDocument, addressesDocumentSchema } from '../../ingress/pools/addresses-document.ts';
import { askAgent, defaultAgent, unknownAnswer } from '../agent-client.ts';
import type { CommandContext } from '../context.ts';
import { renderJson } from '../json.ts';
import { renderAddresses } from '../screens/addresses.ts';
import { type OutputFormat, withOutput } from './options.ts';

/** `erctl addresses`: lists virtual addresses with their owners and holders, the members and the last moves. */
export function addAddresses(program: Command, { console }: CommandContext): void {
  const command = program
    .command('addresses')
    .description(
      'list virtual addresses with owners and holders, the nodes that may hold them, and recent moves with reasons. ' +
        "Shows the view of the agent's node. If the agent requires credentials, set STATS_USERNAME and STATS_PASSWORD in the environment.",
    )
    .option('--agent <url>', 'URL of the agent, from its --stats-address and --stats-port', defaultAgent);
  withOutput(command, [
    ['addresses', 'view of this node'],
    ['addresses --agent http://192.168.12.5:1936', 'view of another node'],
    ['addresses --output json', 'for programs'],
  ]).action(async ({ agent, output }: { agent: string; output: OutputFormat }) => {
    const document = await fetchAddresses(agent);
    console.out(output === 'json' ? renderJson(document) : renderAddresses(document, console.screen));
  });
}

async function fetchAddresses(agent: string): Promise<AddressesDocument> {
  const read = addressesDocumentSchema.safeParse(await askAgent(agent, '/addresses'));
  if (read.success) return read.data;
  throw unknownAnswer(agent);
}
