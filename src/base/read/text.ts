import * as z from 'zod/mini';

/** Longer than any name, address or path: a longer text is a mistake or an attack, and costs time to look at. */
export const maxTextCharacters = 4096;

/** A text of bounded length; `cure` says what it must be. */
export function text(cure: string) {
  return z.string(cure).check(z.maxLength(maxTextCharacters, cure));
}
