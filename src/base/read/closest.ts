/** Texts longer than this are compared by their beginnings. */
const longest = 96;

/** Returns the known word that was probably meant by `written`, or undefined if none is close. */
export function findClosest(written: string, words: Iterable<string>): string | undefined {
  let best: string | undefined;
  // A third of the letters may differ, with limits of two and four.
  let least = Math.min(4, Math.max(2, Math.floor(written.length / 3))) + 1;
  for (const word of words) {
    const distance = countEdits(written.slice(0, longest).toLowerCase(), word.slice(0, longest).toLowerCase());
    // A word without a common letter is not a misspelling.
    if (distance < least && distance < Math.max(written.length, word.length)) [best, least] = [word, distance];
  }
  return best;
}

/** Returns the number of insertions, deletions, replacements and swaps of adjacent letters between two texts. */
function countEdits(one: string, other: string): number {
  let previous: number[] = [];
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1] ? 0 : 1;
      let edits = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + same);
      const isSwap = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      if (isSwap) edits = Math.min(edits, (previous[j - 2] ?? 0) + 1);
      next.push(edits);
    }
    [previous, row] = [row, next];
  }
  return row[other.length] ?? 0;
}

/** Returns `; did you mean "timeout"?`, or an empty string if no word is close. */
export function suggest(written: string, words: Iterable<string>): string {
  const closest = findClosest(written, words);
  return closest === undefined ? '' : `; did you mean "${closest}"?`;
}
