import type { Command } from 'commander';
import { type ClaimsDocument, claimsDocumentSchema } from '../../api/claims-document.ts';
import type { CommandContext } from '../context.ts';
import { ErctlError } from '../failure.ts';
import { renderJson } from '../json.ts';
import { renderRoutes } from '../screens/routes.ts';
import { type OutputFormat, withOutput } from './options.ts';

/** Where an agent answers unless told otherwise. */
const defaultAgent = 'http://127.0.0.1:1936';
/** Milliseconds. */
const patience = 5000;

/** `erctl routes`: who has the ports of the ingress agent, and who has not. */
export function addRoutes(program: Command, { console }: CommandContext): void {
  const command = program
    .command('routes')
    .description(
      'list what Routes and Gateways ask of the ingress agent on this node: who has each port, who was refused, and why. ' +
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
  const { STATS_USERNAME: username, STATS_PASSWORD: password } = process.env;
  const credentials = username === undefined || password === undefined ? undefined : `${username}:${password}`;
  const url = claimsUrl(agent);
  let response: Response;
  try {
    response = await fetch(url, {
      // Credentials are for the agent that was named, and nobody it may point to.
      redirect: 'error',
      signal: AbortSignal.timeout(patience),
      headers:
        credentials === undefined ? {} : { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` },
    });
  } catch (cause) {
    throw new ErctlError(
      `No ingress agent answers at ${url.origin}: ${reasonOf(cause)}; is it running, and is --agent its --stats-address and --stats-port?`,
    );
  }
  if (response.status === 401) {
    throw new ErctlError(
      `${url.origin} asks for credentials: set STATS_USERNAME and STATS_PASSWORD as they are for the agent`,
    );
  }
  const text = await response.text();
  if (!response.ok) throw new ErctlError(`${url.origin} answers ${response.status}: ${text.slice(0, 200).trim()}`);
  const read = claimsDocumentSchema.safeParse(parseJson(text));
  if (read.success) return read.data;
  throw new ErctlError(`${url.origin} is no ingress agent that this erctl knows: its answer has another form`);
}

function claimsUrl(agent: string): URL {
  const url = URL.parse('/claims', agent);
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw new ErctlError(`--agent ${JSON.stringify(agent)}: must be a URL such as ${defaultAgent}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The innermost reason: `fetch` wraps it. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return reasonOf(error.cause);
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : error.message;
}
