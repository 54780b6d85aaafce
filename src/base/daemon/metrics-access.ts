import { hash, timingSafeEqual } from 'node:crypto';

/** Username and password of the clients that may read the statistics. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** What became of a client's bearer token. */
export type TokenVerdict =
  | { readonly kind: 'allowed' }
  /** The token belongs to no user. */
  | { readonly kind: 'unauthenticated' }
  /** Its user may not read the statistics. */
  | { readonly kind: 'forbidden'; readonly user: string }
  /** The token could not be reviewed. */
  | { readonly kind: 'unknown'; readonly why: string };

/** Which clients may read metrics and documents; neither: all. */
export interface AccessRules {
  readonly credentials?: Credentials;
  /** Judges the token of a client. Never rejects. */
  readonly judgeToken?: (token: string) => Promise<TokenVerdict>;
}

/** Why a client is refused: HTTP's status, a line for a person, and the scheme to come again with. */
export interface Refusal {
  readonly status: 401 | 403 | 503;
  readonly text: string;
  readonly challenge?: string;
}

/** Characters; a token of a service account has about 1,200. */
const longestToken = 8192;

/** Whether a client with this `Authorization` header may read; undefined where it may. */
export async function refuse(
  { credentials, judgeToken }: AccessRules,
  header: string | undefined,
): Promise<Refusal | undefined> {
  if (judgeToken !== undefined) return refuseToken(judgeToken, header);
  if (credentials === undefined || isRight(credentials, header)) return undefined;
  const challenge = 'Basic realm="statistics", charset="UTF-8"';
  return { status: 401, text: 'username and password are needed', challenge };
}

async function refuseToken(
  judge: (token: string) => Promise<TokenVerdict>,
  header: string | undefined,
): Promise<Refusal | undefined> {
  const challenge = 'Bearer realm="statistics"';
  const token = /^Bearer +([\w.~+/-]+=*)$/i.exec(header ?? '')?.[1];
  if (token === undefined || token.length > longestToken) {
    return { status: 401, text: 'a bearer token of a user that may get the URL /metrics is needed', challenge };
  }
  const verdict = await judge(token);
  switch (verdict.kind) {
    case 'allowed':
      return undefined;
    case 'unauthenticated':
      return { status: 401, text: 'the token is not valid', challenge };
    case 'forbidden':
      return { status: 403, text: `user ${verdict.user} may not get the URL /metrics` };
    case 'unknown':
      return { status: 503, text: verdict.why };
  }
}

function isRight(credentials: Credentials, header: string | undefined): boolean {
  const wanted = `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
  // Digests, since they have one length: the time of the comparison tells nothing about the password.
  const [one, other] = [header ?? '', wanted].map((text) => hash('sha256', text, 'buffer'));
  return one !== undefined && other !== undefined && timingSafeEqual(one, other);
}

/** Whether only programs of the same host, or of the same pod, reach what listens on an address. */
export function isLoopback(address: string): boolean {
  return address === '::1' || /^127(\.\d{1,3}){3}$/.test(address);
}
