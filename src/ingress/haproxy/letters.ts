import type { BackendRedirect, ForwardedMode } from './model.ts';

/** Letters of a route, one for each unusual feature. */
export const letters = {
  redirect: 'r',
  permanent: 'P',
  answers: 's',
  denyList: 'd',
  bodySize: 'b',
  rewriteHost: 'v',
  requestEdits: 'q',
  responseEdits: 'p',
  forwardedPrefix: 'f',
  cors: 'c',
  /** Cross-origin requests by the Fetch standard, as the Gateway API demands; always with `cors`. */
  corsByFetch: 'C',
  mirrors: 'm',
  deadline: 'e',
  steering: 'y',
  answerRedirect: 'g',
  redirectStatus: { 301: '1', 302: '2', 303: '3', 307: '7', 308: '8' } satisfies Record<
    BackendRedirect['status'],
    string
  >,
  allowList: 'a',
  guard: 'G',
  login: 'U',
  secureOverTls: 'S',
  limits: 'l',
  timeoutServer: 't',
  timeoutTunnel: 'u',
  rewrite: 'w',
  rewriteOnly: 'o',
  rewriteRoot: 'z',
  hsts: 'h',
  noCookie: 'n',
  headers: 'x',
  forwarded: { append: 'A', replace: 'R', 'if-none': 'I', never: 'N' } satisfies Record<ForwardedMode, string>,
} as const;

/** Returns a condition: the flags of a route contain a letter. An ordinary route has no flags. */
export function flagged(letter: string): string {
  return `{ var(txn.flags) -m sub ${letter} }`;
}
