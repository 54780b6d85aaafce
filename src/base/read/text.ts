import * as z from 'zod/mini';

/** Longer than any valid name, address or path; limits the cost of hostile input. */
export const maxTextCharacters = 4096;

/** Schema of a string of bounded length; `cure` states what it must be. */
export function text(cure: string) {
  return z.string(cure).check(z.maxLength(maxTextCharacters, cure));
}
