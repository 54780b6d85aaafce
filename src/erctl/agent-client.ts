import { ErctlError } from './failure.ts';

/** Default URL of the ingress agent. */
export const defaultAgent = 'http://127.0.0.1:1936';

/** Timeout in milliseconds. */
const timeout = 5000;

/**
 * Returns the ingress agent's JSON answer for a path. Throws an {@link ErctlError} that explains how to reach the
 * agent. Credentials come from STATS_USERNAME and STATS_PASSWORD.
 *
 * @param agent URL of the agent
 */
export async function askAgent(
  agent: string,
  path: string,
  query: Readonly<Record<string, string | readonly string[]>> = {},
): Promise<unknown> {
  const { STATS_USERNAME: username, STATS_PASSWORD: password } = process.env;
  const credentials = username === undefined || password === undefined ? undefined : `${username}:${password}`;
  const url = parseAgentUrl(agent, path);
  for (const [key, value] of Object.entries(query)) {
    for (const one of [value].flat()) url.searchParams.append(key, one);
  }
  let response: Response;
  try {
    response = await fetch(url, {
      // Credentials are for this agent only, not for a host that it redirects to.
      redirect: 'error',
      signal: AbortSignal.timeout(timeout),
      headers:
        credentials === undefined ? {} : { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` },
    });
  } catch (cause) {
    throw new ErctlError(
      `No ingress agent answers at ${url.origin}: ${reasonOf(cause)}; check that it is running and that --agent matches its --stats-address and --stats-port`,
    );
  }
  if (response.status === 401) {
    throw new ErctlError(
      `${url.origin} requires credentials; set STATS_USERNAME and STATS_PASSWORD to the agent's values`,
    );
  }
  const text = await response.text();
  if (!response.ok) throw new ErctlError(`${url.origin} returned ${response.status}: ${text.slice(0, 200).trim()}`);
  return parseJson(text);
}

/** Returns the error for an answer with an unknown format. */
export function unknownAnswer(agent: string): ErctlError {
  const { origin } = parseAgentUrl(agent, '/');
  return new ErctlError(`${origin} returned an unknown format: it is not an ingress agent, or one of another version`);
}

/** Parses the URL of the agent. Throws an {@link ErctlError} if it is not an HTTP URL. */
export function parseAgentUrl(agent: string, path: string): URL {
  const url = URL.parse(path, agent);
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

/** Returns the innermost reason, which `fetch` wraps. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return reasonOf(error.cause);
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : error.message;
}
