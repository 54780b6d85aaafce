import { ErctlError } from './failure.ts';

/** Where an agent answers unless told otherwise. */
export const defaultAgent = 'http://127.0.0.1:1936';

/** Milliseconds. */
const timeout = 5000;

/**
 * What the ingress agent answers to a path, as JSON. Throws an {@link ErctlError} that says how to reach
 * it. Credentials come from STATS_USERNAME and STATS_PASSWORD.
 *
 * @param agent its URL
 */
export async function askAgent(
  agent: string,
  path: string,
  query: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const { STATS_USERNAME: username, STATS_PASSWORD: password } = process.env;
  const credentials = username === undefined || password === undefined ? undefined : `${username}:${password}`;
  const url = parseAgentUrl(agent, path);
  for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
  let response: Response;
  try {
    response = await fetch(url, {
      // Credentials are for the agent that was named, and nobody it may point to.
      redirect: 'error',
      signal: AbortSignal.timeout(timeout),
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
  return parseJson(text);
}

/** An answer that has another form than is known. */
export function unknownAnswer(agent: string): ErctlError {
  const { origin } = parseAgentUrl(agent, '/');
  return new ErctlError(`${origin} is no ingress agent that this erctl knows: its answer has another form`);
}

/** Throws an {@link ErctlError} for what is no URL. */
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

/** The innermost reason: `fetch` wraps it. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return reasonOf(error.cause);
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : error.message;
}
