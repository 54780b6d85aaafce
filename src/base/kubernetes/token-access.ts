import { hash } from 'node:crypto';
import type { DaemonLog } from '../daemon/log.ts';
import type { TokenVerdict } from '../daemon/metrics-access.ts';
import { describeError } from '../model/text.ts';
import { isRecord } from '../read/shape.ts';
import type { KubeApi } from './cluster-api.ts';
import { ProblemBook } from './problem-book.ts';

/** Milliseconds for which an answer is cached, and the timeout of a review. */
const times = { allowed: 60_000, refused: 10_000, answer: 5000 } as const;

/** Maximum number of cached tokens, by digest. */
const mostRemembered = 200;

/** Maximum number of unknown tokens per second to review, because any client can invent tokens. */
const mostUnknown = 5;

const unavailable = 'tokens cannot be reviewed at the moment';

/**
 * Returns a function that judges bearer tokens. A token is allowed if its user may access a non-resource path
 * (TokenReview and SubjectAccessReview, as in kube-rbac-proxy). The function never rejects.
 *
 * @param path such as `/metrics`; the verb is `get`
 */
export function judgeTokens(api: KubeApi, path: string, log: DaemonLog): (token: string) => Promise<TokenVerdict> {
  const problems = new ProblemBook(
    log,
    'Tokens of clients cannot be reviewed; bind the service account to system:auth-delegator',
  );
  const known = new Map<string, { readonly verdict: Promise<TokenVerdict>; until: number }>();
  /** Tokens that were allowed before. They are reviewed again regardless of the limit for unknown tokens. */
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
    // Concurrent requests with one token share one review.
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

/** Returns the user of a token in the form of a SubjectAccessReview, or undefined if the token is invalid. */
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
