import type { ProblemList } from './problem-list.ts';

/**
 * Reads one of a few words, in any case. An absent or empty text is the default: writers in Go
 * leave unset fields as empty strings.
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

/** The text, unless it is empty: an empty setting is an absent one. */
export function presentText(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
