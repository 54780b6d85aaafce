import { createHash } from 'node:crypto';
import { flagged, letters } from './letters.ts';
import type { HttpState, Login, User } from './model.ts';
import { checkToken, quoteWord, UnfitValue } from './quote.ts';

/**
 * Basic authentication. HAProxy cannot change lists of users at run time, so each distinct list is a `userlist` of the
 * configuration, and the backends of a list have rules of their own. crypt(3) is slow by design and runs on threads
 * that serve all tenants. Therefore accepted credentials are remembered by their hash while they are used, and a
 * namespace has a limited number of checks.
 */

/** File of the lists, relative to the folder of a generation. */
export const usersFile = 'conf/25-users.cfg';

/** Checks of credentials per second and namespace: at most a third of a CPU with the slowest hashes that are allowed. */
const mostChecks = 50;

/** Longest Authorization header: the time of a check grows with the password. */
const longestHeader = 200;

const names = new WeakMap<readonly User[], string>();

/** Returns the name of a list, which depends on its content. */
function listName(users: readonly User[]): string {
  const known = names.get(users);
  if (known !== undefined) return known;
  const name = `users-${createHash('sha256').update(JSON.stringify(users)).digest('hex').slice(0, 24)}`;
  names.set(users, name);
  return name;
}

/** Returns the lists of a state by name. */
export function listUsers({ backends }: Pick<HttpState, 'backends'>): ReadonlyMap<string, readonly User[]> {
  const lists = new Map<string, readonly User[]>();
  for (const { http } of backends.values())
    if (http?.login !== undefined) lists.set(listName(http.login.users), http.login.users);
  return lists;
}

/** Renders the lists, sorted by name. Throws {@link UnfitValue}. */
export function renderUsers(lists: ReadonlyMap<string, readonly User[]>): string {
  return [...lists]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, users]) => `userlist ${name}\n${users.map(userLine).join('')}`)
    .join('\n');
}

function userLine({ name, hash }: User): string {
  if (!/^\$[0-9a-z]+\$[A-Za-z0-9./=$]{20,200}$/.test(hash))
    throw new UnfitValue('the hash of a password: unknown format');
  return `  user ${quoteWord(name)} password ${quoteWord(hash)}\n`;
}

/** Returns the lines of a section that demands a login. Throws {@link UnfitValue}. */
export function loginLines({ realm, users }: Login): readonly string[] {
  // HAProxy does not escape the realm in its header.
  if (!/^[\x20-\x7e]{1,128}$/.test(realm) || /["\\%]/.test(realm))
    throw new UnfitValue('realm: must be printable ASCII without quotation marks, backslashes and "%"');
  return [
    `http-request set-var(txn.known) bool(true) if { var(txn.login) -m found } !{ var(txn.known) -m found } { http_auth(${listName(users)}) }`,
    `http-request auth realm ${quoteWord(realm)} if !{ var(txn.known) -m found }`,
    'http-request track-sc1 var(txn.login) table logins',
  ];
}

/** Returns the list of a backend, and the namespace whose checks count, for {@link loginRules}. */
export function loginValue({ users }: Login, tenant = '-'): string {
  return `${listName(users)}|${checkToken('tenant', tenant)}`;
}

/**
 * Renders the rules before those of the sections. `txn.login` is a hash of list and credentials, `txn.known` is present
 * if they were accepted before. Several Authorization headers, or one with a comma, are no
 * credentials: HAProxy checks the first part only.
 */
export function loginRules(): string {
  const isAsked = flagged(letters.login);
  const isUnknown = '{ var(txn.login) -m found } !{ var(txn.known) -m found }';
  return `  http-request set-var(txn.users) var(txn.section),map_str(maps/login.map) if ${isAsked}
  http-request set-var(txn.login) req.fhdr(authorization) if ${isAsked} { var(txn.users) -m found } { req.fhdr_cnt(authorization) eq 1 } { req.fhdr(authorization) -m len 7:${longestHeader} } !{ req.fhdr(authorization) -m sub , }
  http-request set-var-fmt(txn.login) "%[var(txn.users)] %[var(txn.login)]" if { var(txn.login) -m found }
  http-request set-var(txn.login) var(txn.login),digest(sha256) if { var(txn.login) -m found }
  http-request set-var(txn.known) bool(true) if { var(txn.login) -m found } { var(txn.login),in_table(logins) }
  http-request track-sc0 var(txn.users),field(2,|) table login_checks if ${isUnknown}
  http-request deny deny_status 503 if ${isUnknown} { sc0_gpc0_rate(login_checks) ge ${mostChecks} }
  http-request sc-inc-gpc0(0) if ${isUnknown}`;
}

/** Tables of accepted credentials, and of the checks of each namespace. */
export const loginTables = `backend logins from base
  stick-table type binary len 32 size 100k expire 5m

backend login_checks from base
  stick-table type string len 64 size 100k expire 10s store gpc0,gpc0_rate(1s)
`;
