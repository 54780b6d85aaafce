import { UnfitValue } from './quote.ts';

/**
 * Regular expressions of tenants. HAProxy runs them with PCRE2 and without a limit of steps, on threads that serve all
 * tenants, so only a subset of RE2's syntax is allowed that means the same in both and that cannot take exponential
 * time: literals, `.`, classes, groups, alternatives and repeats; no look-around, back references or flags. A repeated
 * group must have one length and one way to match, and elsewhere only a few choices may compete for the same
 * characters.
 */

/** Maximum length of a pattern. */
const longestPattern = 1024;

/** Maximum count in `{n,m}`, and of all counts multiplied by the length of what they repeat. */
const largestCount = 100;
const largestSize = 2000;

/** Maximum number of choices that the next character does not decide: the end of a repeat, or an alternative. */
const mostAmbiguous = 2;

/** Maximum length of a text that patterns are compared with; longer ones match none. */
export const longestSubject = 1024;

/** Throws {@link UnfitValue} for a pattern that is not allowed. */
export function checkPattern(pattern: string): string {
  if (pattern.length > longestPattern) fail(pattern, `has more than ${longestPattern} characters`);
  if (/[^\x20-\x7e]/.test(pattern)) fail(pattern, 'must consist of printable ASCII characters');
  const parser = new PatternParser(pattern);
  const { size, ambiguous: choices, tail, takesAll } = parser.parse();
  // If the text does not end after the last repeat, all divisions of the text among the repeats are tried.
  const ambiguous = choices + (tail === undefined || takesAll === true ? 0 : 1);
  if (size > largestSize) fail(pattern, `repeats more than ${largestSize} characters`);
  if (ambiguous > mostAmbiguous)
    fail(pattern, `has more than ${mostAmbiguous} repeats or alternatives that may match the same text`);
  return pattern;
}

function fail(pattern: string, why: string): never {
  throw new UnfitValue(`regular expression ${JSON.stringify(pattern.slice(0, 80))} ${why}`);
}

/** Characters as a set of codes below 128; bytes above count as one more. */
type Chars = ReadonlySet<number>;

const every: Chars = new Set(Array.from({ length: 129 }, (_, code) => code));
const digits: Chars = charsOf('0123456789');
const words: Chars = charsOf('0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_');
const blanks: Chars = new Set([9, 10, 12, 13, 32]);
const classes: Readonly<Record<string, Chars>> = {
  d: digits,
  w: words,
  s: blanks,
  D: negate(digits),
  W: negate(words),
  S: negate(blanks),
};

function charsOf(text: string): Chars {
  return new Set(Buffer.from(text));
}

function codeOf(char: string): number {
  return char.charCodeAt(0);
}

function negate(chars: Chars): Chars {
  return new Set([...every].filter((code) => !chars.has(code)));
}

/** A part of a pattern. */
interface Part {
  /** Characters that it may begin with. */
  readonly first: Chars;
  readonly canBeEmpty: boolean;
  readonly size: number;
  /** Whether it has a repeat of variable length. */
  readonly isVariable: boolean;
  /** Number of choices that the next character does not decide. */
  readonly ambiguous: number;
  /** Characters of a repeat of variable length at the end. */
  readonly tail?: Chars;
  /** Whether a repeat of any character at the end takes the whole rest of the text. */
  readonly takesAll?: boolean;
}

const empty: Part = { first: new Set(), canBeEmpty: true, size: 0, isVariable: false, ambiguous: 0 };

class PatternParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Part {
    const part = this.#alternatives(0);
    if (this.#at < this.#text.length) fail(this.#text, 'has a ")" without "("');
    return part;
  }

  #alternatives(depth: number): Part {
    if (depth > 20) fail(this.#text, 'nests more than 20 groups');
    const parts = [this.#sequence(depth)];
    while (this.#text[this.#at] === '|') {
      this.#at++;
      parts.push(this.#sequence(depth));
    }
    if (parts.length === 1) return parts[0] ?? empty;
    const firsts = parts.flatMap(({ first }) => [...first]);
    const isAmbiguous = new Set(firsts).size < firsts.length || parts.filter(({ canBeEmpty }) => canBeEmpty).length > 1;
    const tails = parts.flatMap(({ tail }) => (tail === undefined ? [] : [...tail]));
    return {
      first: new Set(firsts),
      canBeEmpty: parts.some(({ canBeEmpty }) => canBeEmpty),
      size: parts.reduce((sum, { size }) => sum + size, 0),
      isVariable: parts.some(({ isVariable }) => isVariable),
      ambiguous: parts.reduce((sum, { ambiguous }) => sum + ambiguous, isAmbiguous ? parts.length - 1 : 0),
      ...(tails.length > 0 && { tail: new Set(tails) }),
      takesAll: parts.every(({ takesAll }) => takesAll === true),
    };
  }

  #sequence(depth: number): Part {
    let whole = empty;
    while (this.#at < this.#text.length && !')|'.includes(this.#text[this.#at] ?? '')) {
      const start = this.#at;
      const atom = this.#atom(depth);
      whole = join(whole, this.#repeat(atom, start));
    }
    return whole;
  }

  #atom(depth: number): Part {
    const char = this.#text[this.#at++] ?? '';
    switch (char) {
      case '(': {
        if (this.#text.startsWith('?:', this.#at)) this.#at += 2;
        else if (this.#text[this.#at] === '?')
          fail(this.#text, 'has a group that begins with "(?"; only "(?:" is allowed');
        const inner = this.#alternatives(depth + 1);
        if (this.#text[this.#at++] !== ')') fail(this.#text, 'has a "(" without ")"');
        return inner;
      }
      case '[':
        return charPart(this.#class());
      case '.':
        return charPart(every);
      case '^':
      case '$':
        return empty;
      case '\\':
        return charPart(this.#escape());
      case '*':
      case '+':
      case '?':
        return fail(this.#text, `has a "${char}" with nothing to repeat`);
      case '{':
      case '}':
        return fail(this.#text, `has a "${char}" that repeats nothing; write "\\${char}" for the character`);
      case '#':
        return charPart(new Set([codeOf('#')]));
      default:
        return charPart(new Set([codeOf(char)]));
    }
  }

  /** Reads what follows a backslash. */
  #escape(): Chars {
    const char = this.#text[this.#at++];
    if (char === undefined) return fail(this.#text, 'ends with a backslash');
    const known = classes[char];
    if (known !== undefined) return known;
    if (/[A-Za-z0-9]/.test(char)) return fail(this.#text, `has the escape "\\${char}", which is not allowed`);
    return new Set([codeOf(char)]);
  }

  #class(): Chars {
    const start = this.#at;
    const isNegated = this.#text[this.#at] === '^';
    if (isNegated) this.#at++;
    const chars = new Set<number>();
    for (let isFirst = true; ; isFirst = false) {
      const char = this.#text[this.#at++];
      if (char === undefined) return fail(this.#text, 'has a "[" without "]"');
      if (char === ']') {
        if (isFirst) return fail(this.#text, 'has an empty class; write "\\]" for the character');
        // PCRE2 takes `[:…:]`, `[.….]` and `[=…=]` for POSIX syntax, and rejects the whole pattern.
        if (/^([:.=]).*\1$/.test(this.#text.slice(start, this.#at - 1)))
          return fail(this.#text, 'has a class that begins and ends with ":", "." or "="; write the character once');
        break;
      }
      if (char === '[') return fail(this.#text, 'has a "[" in a class; write "\\[" for the character');
      const from = char === '\\' ? this.#escape() : new Set([codeOf(char)]);
      const isRange = this.#text[this.#at] === '-' && this.#text[this.#at + 1] !== ']';
      if (!isRange) {
        for (const code of from) chars.add(code);
        continue;
      }
      this.#at++;
      const end = this.#text[this.#at++] ?? '';
      const to = end === '\\' ? this.#escape() : new Set([codeOf(end)]);
      const [low, high] = [[...from][0] ?? 0, [...to][0] ?? 0];
      if (from.size !== 1 || to.size !== 1 || end === '' || end === '[' || low > high)
        return fail(this.#text, 'has a range in a class that is not from a lower to a higher character');
      for (let code = low; code <= high; code++) chars.add(code);
    }
    return isNegated ? negate(chars) : chars;
  }

  #repeat(atom: Part, start: number): Part {
    const [all = '', sign = '', low, comma, high] =
      /^(?:([*+?])|\{(\d{1,4})(?:(,)(\d{0,4}))?\})\??/.exec(this.#text.slice(this.#at)) ?? [];
    if (all === '') return atom;
    this.#at += all.length;
    if (/^[*+?{]/.test(this.#text.slice(this.#at))) fail(this.#text, 'repeats a repeat');
    const min = sign === '' ? Number(low) : sign === '+' ? 1 : 0;
    const max =
      sign === '?' ? 1 : sign !== '' || (comma !== undefined && high === '') ? undefined : Number(high ?? low);
    if (min > largestCount || (max ?? 0) > largestCount || (max !== undefined && min > max))
      fail(this.#text, `has a count that is not from 0 to ${largestCount}`);
    if (max === 0) fail(this.#text, 'repeats something 0 times');
    if (atom === empty) fail(this.#text, 'repeats an anchor or an empty group');
    const repeated = JSON.stringify(this.#text.slice(start, start + 20));
    if (max !== 1 && (atom.isVariable || atom.canBeEmpty || atom.ambiguous > 0))
      fail(this.#text, `repeats ${repeated}, which may match in more than one way`);
    const canBeEmpty = min === 0 || atom.canBeEmpty;
    const size = atom.size * (max ?? Math.max(1, min));
    if (min === max) return { ...atom, canBeEmpty, size };
    const tail = new Set([...atom.first, ...(atom.tail ?? [])]);
    const takesAll = max === undefined && atom.first.size === every.size && atom.size === 1;
    return { ...atom, canBeEmpty, size, isVariable: true, tail, takesAll };
  }
}

function charPart(chars: Chars): Part {
  return { first: chars, canBeEmpty: false, size: 1, isVariable: false, ambiguous: 0 };
}

/** Joins two parts. A repeat is ambiguous if what follows may begin with its own characters. */
function join(one: Part, next: Part): Part {
  const isAmbiguous = one.tail !== undefined && [...next.first].some((code) => one.tail?.has(code) === true);
  const tail = [...(next.tail ?? []), ...(next.canBeEmpty ? (one.tail ?? []) : [])];
  return {
    first: one.canBeEmpty ? new Set([...one.first, ...next.first]) : one.first,
    canBeEmpty: one.canBeEmpty && next.canBeEmpty,
    size: one.size + next.size,
    isVariable: one.isVariable || next.isVariable,
    ambiguous: one.ambiguous + next.ambiguous + (isAmbiguous ? 1 : 0),
    ...(tail.length > 0 && { tail: new Set(tail) }),
    takesAll: next.takesAll === true || (next.canBeEmpty && one.takesAll === true),
  };
}
