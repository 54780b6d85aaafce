import type { PathMatch, PathRewrite } from '../intent/match.ts';
import { listEndings, listVariants } from './alternatives.ts';
import type { IngressPath } from './ingress.ts';
import type { Finding, IngressSettings } from './settings.ts';

/** How a path of an Ingress is served. */
export interface PathPlan {
  readonly match: PathMatch;
  readonly rewrite?: PathRewrite;
  /** The path cannot be served as written. `match` then covers at least every request that it matches. */
  readonly isUnservable?: true;
  /** The path matches every path that begins with this text: regular expressions of ingress-nginx are not anchored. */
  readonly covers?: string;
  readonly finding?: Finding;
}

/** Characters that the path of a request can contain. */
const servable = /^\/[\x21\x22\x24-\x3e\x40-\x7e]*$/;

/** Characters that make a path a regular expression. */
const special = /[\\^$*+?()[\]{}|]/;

/**
 * The literal text at the beginning of a regular expression, and the rest. Authors nearly always mean a literal dot before a
 * letter or digit, as in `/index.php`, but any character by `/users/.$`.
 */
const literalStart = /^((?:[A-Za-z0-9_~%/-]|\.(?=\w))*)(.*)$/;

/**
 * Regular expressions that are equivalent to a prefix, by the text after the literal path. `whole` is the group that
 * contains everything after the literal path, `rest` the group after the next slash. `isBelow`: the literal path itself
 * does not match. `isText`: paths match that only begin with the same characters, too.
 */
const tails: ReadonlyMap<
  string,
  { readonly whole?: number; readonly rest?: number; readonly isBelow?: true; readonly isText?: true }
> = new Map([
  ['(/|$)(.*)', { rest: 2 }],
  ['(/|$)(.*)$', { rest: 2 }],
  ['(/|$)', {}],
  ['(?:/|$)(.*)', { rest: 1 }],
  ['(?:/|$)(.*)$', { rest: 1 }],
  ['(?:/|$)', {}],
  ['(/.*|$)', { whole: 1 }],
  ['(/(.*)|$)', { whole: 1, rest: 2 }],
  ['(/(.*))?', { whole: 1, rest: 2, isText: true }],
  ['(/(.*))?$', { whole: 1, rest: 2 }],
  ['(?:/(.*))?', { rest: 1, isText: true }],
  ['(?:/(.*))?$', { rest: 1 }],
  ['(?:/.*)?', { isText: true }],
  ['(?:/.*)?$', {}],
  ['(/.*)?', { whole: 1, isText: true }],
  ['(/.*)?$', { whole: 1 }],
  ['/?(.*)', { rest: 1, isText: true }],
  ['/?(.*)$', { rest: 1, isText: true }],
  ['(/?)(.*)', { rest: 2, isText: true }],
  ['(/)?(.*)', { rest: 2, isText: true }],
  ['/?', { isText: true }],
  ['/*', { isText: true }],
  ['/(.*)', { rest: 1, isBelow: true }],
  ['/(.*)$', { rest: 1, isBelow: true }],
  ['/()(.*)', { rest: 2, isBelow: true }],
  ['/(.+)', { rest: 1, isBelow: true }],
  ['/(.+)$', { rest: 1, isBelow: true }],
  ['/.+', { isBelow: true }],
  ['/.+$', { isBelow: true }],
  ['/.*', { isBelow: true }],
  ['/.*$', { isBelow: true }],
  ['(.*)', { whole: 1, isText: true }],
  ['(.*)$', { whole: 1, isText: true }],
  ['.*', { isText: true }],
  ['.*$', { isText: true }],
]);

/**
 * Translates a path into one or more, for each of the alternatives of a regular expression. Messages name its field.
 */
export function planPaths(written: IngressPath, settings: IngressSettings): readonly PathPlan[] {
  const isRegex = settings.usesRegex && written.type !== 'Exact';
  const variants = isRegex
    ? (listEndings(written.path, settings.rewriteTarget) ?? listVariants(written.path, settings.rewriteTarget))
    : undefined;
  if (variants === undefined) return [planPath(written, settings)];
  const plans = variants.map(({ path, target }) => {
    const { rewriteTarget: _, ...rest } = settings;
    return planPath({ ...written, path }, { ...rest, ...(target !== undefined && { rewriteTarget: target }) });
  });
  // All or none: the author must find the whole path in the message.
  if (plans.some(({ isUnservable }) => isUnservable === true)) return [planPath(written, settings)];
  const finding: Finding = {
    subject: written.field,
    value: JSON.stringify(written.path),
    outcome: 'differs',
    message: `is served as ${nameKind(plans)}, and case-sensitive: ${plans.map(({ match }) => match.value).join(' ')}`,
  };
  return plans.map((plan) => ({ ...plan, finding }));
}

/** How the paths of a regular expression are compared. */
function nameKind(plans: readonly PathPlan[]): string {
  const kinds = new Set(
    plans.map(({ match }) => (match.type === 'exact' ? 'exact paths' : 'prefixes by path element')),
  );
  return [...kinds].join(' and ');
}

function planPath(written: IngressPath, settings: IngressSettings): PathPlan {
  const { path, type, field } = written;
  const isRegex = settings.usesRegex && type !== 'Exact' && special.test(path);
  if (isRegex) return planRegex(written, settings);
  const target = rewriteOf(path, settings.rewriteTarget);
  if (!servable.test(path)) {
    const message = 'must begin with "/" and contain no blank, "?", "#" or non-ASCII character';
    return unservable(written, message);
  }
  if (target?.includes('$') === true) {
    const message = `has no group for ${settings.rewriteTarget ?? ''} of rewrite-target`;
    return unservable(written, message, `write ${path === '/' ? '' : path}(/|$)(.*) with rewrite-target /$2`);
  }
  const isLiteral = type === 'ImplementationSpecific' && special.test(path);
  return {
    match: type === 'Exact' ? { type: 'exact', value: path } : { type: 'element', value: path },
    ...(settings.usesRegex && type !== 'Exact' && { covers: path }),
    ...(target !== undefined && { rewrite: { type: 'full' as const, value: target } }),
    ...(isLiteral && {
      finding: {
        subject: field,
        value: JSON.stringify(path),
        outcome: 'works' as const,
        message: 'is literal, because use-regex is not set',
        ...(path.endsWith('/*') && { suggestion: `write ${path.slice(0, -2) || '/'} with pathType Prefix` }),
      },
    }),
  };
}

/** As in ingress-nginx, a path is not rewritten to itself. */
function rewriteOf(path: string, target: string | undefined): string | undefined {
  return target === path ? undefined : target;
}

function planRegex(written: IngressPath, { rewriteTarget }: IngressSettings): PathPlan {
  // A group with a name has its number, too.
  const text = written.path.replace(/^\^/, '').replaceAll(/\(\?P?<[A-Za-z]\w*>/g, '(');
  const [, literal = '', tail = ''] = literalStart.exec(text) ?? [];
  if (tail === '$' && literal.startsWith('/')) return planExact(written, literal, rewriteTarget);
  const { base, found } = findTail(literal, tail);
  if (found === undefined || !literal.startsWith('/')) {
    return unservable(
      written,
      'is a regular expression that cannot be expressed as a prefix',
      'write paths of type Prefix or Exact',
    );
  }
  const match: PathMatch =
    found.isBelow === true ? { type: 'prefix', value: `${base}/` } : { type: 'element', value: base || '/' };
  const difference: Finding = {
    subject: written.field,
    value: JSON.stringify(written.path),
    outcome: 'differs',
    message: `is served as prefix ${match.value} by path element, and case-sensitive`,
  };
  const covers = found.isText === true && { covers: base || '/' };
  if (rewriteTarget === undefined || rewriteTarget === written.path) return { match, ...covers, finding: difference };
  const target = findTarget(rewriteTarget, found);
  if (target === undefined) return unrewritable(written, rewriteTarget);
  const isIdentity = target.type === 'prefix' && target.value === (base || '/');
  return { match, ...covers, finding: difference, ...(!isIdentity && { rewrite: target }) };
}

/** Plans the only path that a regular expression matches. */
function planExact(written: IngressPath, value: string, target: string | undefined): PathPlan {
  if (target?.includes('$') === true) return unrewritable(written, target);
  const rewrite = rewriteOf(value, target);
  const finding: Finding = {
    subject: written.field,
    value: JSON.stringify(written.path),
    outcome: 'differs',
    message: `is served as exact path ${value}, and case-sensitive`,
  };
  return {
    match: { type: 'exact', value },
    ...(rewrite !== undefined && { rewrite: { type: 'full', value: rewrite } }),
    finding,
  };
}

function unrewritable(written: IngressPath, target: string): PathPlan {
  return unservable(written, `cannot be rewritten to ${target}`, 'write PREFIX(/|$)(.*) with rewrite-target /NEW/$2');
}

/** Finds the longest known suffix. The last slash of the literal part may belong to it. */
function findTail(literal: string, tail: string) {
  if (literal.endsWith('/')) {
    const found = tails.get(`/${tail}`);
    if (found !== undefined) return { base: literal.slice(0, -1), found };
  }
  return { base: literal.replace(/\/$/, ''), found: tails.get(tail) };
}

/** Interprets a rewrite target with at most one group, at its end. */
function findTarget(
  target: string,
  { whole, rest }: { readonly whole?: number; readonly rest?: number },
): PathRewrite | undefined {
  const [, before = '', group] = /^([^$]*)(?:\$(\d))?$/.exec(target) ?? [];
  if (group === undefined) return target.includes('$') ? undefined : { type: 'full', value: target };
  if (Number(group) === rest && before.endsWith('/')) return { type: 'prefix', value: before.slice(0, -1) || '/' };
  // The group begins with a slash, so that "/$1" is "//…", which nginx merges.
  if (Number(group) === whole) return { type: 'prefix', value: before.replace(/\/$/, '') || '/' };
  return undefined;
}

/**
 * Covers everything that begins with the characters before the first special one, so that an access rule can close every
 * matching path.
 */
function unservable({ path, field }: IngressPath, message: string, suggestion?: string): PathPlan {
  const [literal = ''] =
    /^(?:[\x21\x22\x25-\x27\x2c\x2d\x2f-\x3e\x40-\x5a\x5f-\x7a~]|\.(?=\w))*/.exec(path.replace(/^\^/, '')) ?? [];
  const whole = literal === path ? literal : literal.slice(0, literal.lastIndexOf('/') + 1);
  return {
    match: { type: 'element', value: whole.startsWith('/') ? whole : '/' },
    isUnservable: true,
    // A quantifier after the literal part makes its last character optional, and an alternative all of it.
    covers:
      (path.includes('|')
        ? ''
        : /^[?*{]/.test(path.replace(/^\^/, '').slice(literal.length))
          ? literal.slice(0, -1)
          : literal) || '/',
    finding: {
      subject: field,
      value: JSON.stringify(path.slice(0, 120)),
      outcome: 'refused',
      message,
      ...(suggestion !== undefined && { suggestion }),
    },
  };
}
