import type { ProblemList } from './problem-list.ts';

/**
 * Reads one of several words, case-insensitively. Absent or empty means the default, because Go programs write
 * unset fields as empty strings.
 */
export function readChoice<Word extends string>(
  text: string | undefined,
  words: readonly Word[],
  defaultWord: Word,
  path: string,
  problems: ProblemList,
): Word {
  const present = presentText(text);
  if (present === undefined) return defaultWord;
  const lower = present.toLowerCase();
  const word = words.find((candidate) => candidate === lower);
  if (word === undefined) problems.add(path, text, `must be one of ${words.join(', ')}`);
  return word ?? defaultWord;
}

/** Returns the text, or undefined if it is empty: an empty setting counts as absent. */
export function presentText(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
