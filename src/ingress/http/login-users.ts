import type { UsersFormat, UsersState } from '../intent/references.ts';
import type { LoginUser } from '../intent/site-request.ts';
import type { Secret } from '../objects/secret.ts';

/** Maximum number of users of a Secret: HAProxy computes a hash for each of them when it starts. */
const mostUsers = 100;

/** Maximum number of entries that a message names. */
const mostNamed = 3;

/** Most rounds of SHA-2 hashes, which is the default of crypt(5). */
const mostRounds = 5000;

/** Highest cost of bcrypt hashes: about as slow as SHA-2 with the most rounds. */
const highestCost = 5;

const hashes = [
  /^\$1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}$/,
  /^\$5\$(?:rounds=\d{4,9}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{43}$/,
  /^\$6\$(?:rounds=\d{4,9}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86}$/,
  /^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/,
];

const cure = '"htpasswd -nB NAME" and "openssl passwd -6" make hashes that work';

/**
 * Reads the users in a Secret. Of equal names the first one counts, as in nginx. Users whose hashes HAProxy does not know,
 * or that would take too long, cannot log in. Messages quote no content.
 */
export function readUsers({ values }: Secret, format: UsersFormat): UsersState {
  const users = new Map<string, LoginUser>();
  const problems: string[] = [];
  const file = values.get('auth');
  if (format === 'file' && file === undefined) {
    return {
      state: 'invalid',
      message: 'this Secret has no key auth; auth-secret-type auth-map reads names from the keys',
    };
  }
  for (const { place, name, hash } of format === 'file' ? listLines(file ?? '') : listKeys(values)) {
    const problem = findProblem(name, hash);
    if (problem !== undefined) problems.push(`${place} ${problem}`);
    else if (!users.has(name)) users.set(name, { name, hash });
  }
  const words = describe(problems);
  if (users.size === 0) {
    const message =
      words === undefined ? 'this Secret contains no user' : `this Secret contains no valid user: ${words}`;
    return { state: 'invalid', message };
  }
  if (users.size > mostUsers) {
    return { state: 'invalid', message: `this Secret contains ${users.size} users; at most ${mostUsers} are allowed` };
  }
  const note = words === undefined ? {} : { note: `some users cannot log in: ${words}` };
  return { state: 'valid', users: [...users.values()], ...note };
}

interface Entry {
  /** The entry in messages. */
  readonly place: string;
  readonly name: string;
  readonly hash: string;
}

/** Returns the entries of a file: lines `NAME:HASH` or `NAME:HASH:COMMENT`, and comments. */
function listLines(file: string): readonly Entry[] {
  return file.split(/\r?\n/).flatMap((line, index) => {
    if (line.trim() === '' || line.startsWith('#')) return [];
    const [name = '', hash = ''] = line.split(':');
    return [{ place: `line ${index + 1}`, name, hash: hash.trim() }];
  });
}

function listKeys(values: ReadonlyMap<string, string>): readonly Entry[] {
  return Array.from(values, ([name, hash], index) => ({ place: `entry ${index + 1}`, name, hash: hash.trim() }));
}

function findProblem(name: string, hash: string): string | undefined {
  if (name === '' || Buffer.byteLength(name) > 100 || !/^[^\p{Cc}:]*$/u.test(name)) {
    return 'needs a name of at most 100 bytes without ":" and control characters';
  }
  if (hash.startsWith('$apr1$')) return `has the format $apr1$ of Apache, which crypt(3) does not know; ${cure}`;
  if (/^\{[A-Z0-9]+\}/.test(hash)) return `has a format in braces, which crypt(3) does not know; ${cure}`;
  if (!hashes.some((pattern) => pattern.test(hash)))
    return `has no hash that begins with $1$, $5$, $6$ or $2y$; ${cure}`;
  const rounds = Number(/^\$[56]\$rounds=(\d+)\$/.exec(hash)?.[1] ?? mostRounds);
  if (rounds < 1000 || rounds > mostRounds) return `has rounds=${rounds}; use 1000 to ${mostRounds}, to save CPU`;
  const cost = Number(/^\$2[aby]\$(\d\d)/.exec(hash)?.[1] ?? highestCost);
  if (cost < 4 || cost > highestCost) {
    return `has the bcrypt cost ${cost}; use 4 or ${highestCost}, to save CPU: "htpasswd -nB -C ${highestCost} NAME"`;
  }
  return undefined;
}

function describe(problems: readonly string[]): string | undefined {
  if (problems.length === 0) return undefined;
  const more = problems.length - mostNamed;
  return `${problems.slice(0, mostNamed).join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}
