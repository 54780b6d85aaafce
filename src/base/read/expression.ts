/** Expected form of a regular expression, for messages. */
export const expressionCure = 'must be a regular expression';

/**
 * Returns whether a text is a regular expression that HAProxy's engine (PCRE) accepts, as far as JavaScript can tell:
 * inline flags such as `(?i)` are valid in PCRE only.
 */
export function isExpression(text: string): boolean {
  try {
    new RegExp(text.replace(/\(\?[imsx]+\)/g, '').replace(/\(\?P</g, '(?<'));
    return true;
  } catch {
    return false;
  }
}
