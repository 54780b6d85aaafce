import { hash } from 'node:crypto';
import type { DaemonLog } from '../daemon/log.ts';
import type { TokenVerdict } from '../daemon/metrics-access.ts';
import { describeError } from '../model/text.ts';
import { isRecord } from '../read/shape.ts';
import type { KubeApi } from './cluster-api.ts';
import { ProblemBook } from './problem-book.ts';

/** Milliseconds for which an answer counts, and for which the API server is waited for. */
const times = { allowed: 60_000, refused: 10_000, answer: 5000 } as const;

/** Tokens that are remembered, by digests. */
const mostRemembered = 200;

/** Tokens a second of which nothing is known that the API server is asked about: any client can make them up. */
const mostUnknown = 5;

const unavailable = 'tokens cannot be reviewed now';

/**
 * Makes a judge of bearer tokens: a token may do what the API server says that its user may do with a path that is no
 * resource (TokenReview and SubjectAccessReview, as kube-rbac-proxy asks). The answer never rejects.
 *
 * @param path such as `/metrics`; the verb is `get`
 */
export function judgeTokens(api: KubeApi, path: string, log: DaemonLog): (token: string) => Promise<TokenVerdict> {
  const problems = new ProblemBook(
    log,
    'Tokens of clients cannot be reviewed; bind the service account to system:auth-delegator',
  );
  const known = new Map<string, { readonly verdict: Promise<TokenVerdict>; until: number }>();
  /** Tokens that were allowed once: they are asked about again however many others come. */
  const trusted = new Set<string>();
  let second = { begun: 0, count: 0 };

  const isTooMuch = (now: number): boolean => {
    if (now - second.begun > 1000) second = { begun: now, count: 0 };
    return ++second.count > mostUnknown;
  };

  return (token) => {
    const key = hash('sha256', token);
    const now = performance.now();
    const remembered = known.get(key);
    if (remembered !== undefined && remembered.until > now) return remembered.verdict;
    if (!trusted.has(key) && isTooMuch(now)) return Promise.resolve({ kind: 'unknown', why: unavailable });
    const verdict = review(api, token, path).then(
      (answer) => {
        problems.report('reviews', undefined);
        return answer;
      },
      (error: unknown): TokenVerdict => {
        problems.report('reviews', describeError(error));
        return { kind: 'unknown', why: unavailable };
      },
    );
    // Many who ask with one token at the same time cost one review.
    const entry = { verdict, until: now + times.answer };
    remember(known, key, entry);
    void verdict.then(({ kind }) => {
      entry.until = performance.now() + (kind === 'allowed' ? times.allowed : kind === 'unknown' ? 0 : times.refused);
      if (kind === 'allowed') trusted.add(key);
      else if (kind !== 'unknown') trusted.delete(key);
      for (const one of trusted) if (trusted.size > mostRemembered) trusted.delete(one);
    });
    return verdict;
  };
}

function remember<Value>(known: Map<string, Value>, key: string, value: Value): void {
  known.delete(key);
  known.set(key, value);
  for (const one of known.keys()) if (known.size > mostRemembered) known.delete(one);
}

async function review(api: KubeApi, token: string, path: string): Promise<TokenVerdict> {
  const signal = AbortSignal.timeout(times.answer);
  const user = await findUser(api, token, signal);
  if (user === undefined) return { kind: 'unauthenticated' };
  const spec = { ...user, nonResourceAttributes: { path, verb: 'get' } };
  const answer = await api.create(
    '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec },
    signal,
  );
  const status = isRecord(answer) && isRecord(answer.status) ? answer.status : {};
  const isAllowed = status.allowed === true && status.denied !== true;
  return isAllowed ? { kind: 'allowed' } : { kind: 'forbidden', user: user.user };
}

/** The user of a token, in the words of a SubjectAccessReview; undefined for an invalid token. */
async function findUser(api: KubeApi, token: string, signal: AbortSignal) {
  const answer = await api.create(
    '/apis/authentication.k8s.io/v1/tokenreviews',
    { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } },
    signal,
  );
  const status = isRecord(answer) && isRecord(answer.status) ? answer.status : {};
  if (status.authenticated !== true || !isRecord(status.user)) return undefined;
  const { username, uid, groups, extra } = status.user;
  if (typeof username !== 'string' || username === '') return undefined;
  return {
    user: username,
    ...(typeof uid === 'string' && { uid }),
    ...(Array.isArray(groups) && { groups }),
    ...(isRecord(extra) && { extra }),
  };
}
