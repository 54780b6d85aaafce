import type { Rewrite } from '../haproxy/model.ts';

/**
 * Interprets `rewrite-target` as OpenShift's router does, which pastes the value into a line of HAProxy's
 * configuration: an unescaped `#` removes the rest and the remaining path, unescaped quotes vanish, an odd run of `%`
 * stays, an even one is halved, and a backslash escapes.
 *
 * @param prefix the Route's path, which the target replaces
 */
export function rewriteOf(prefix: string, target: string): Rewrite {
  let text = '';
  for (let at = 0; at < target.length; at++) {
    const letter = target.charAt(at);
    if (letter === '#') return { prefix, target: text, dropRest: true };
    if (letter === '"' || letter === "'") continue;
    if (letter === '\\') {
      text += target.charAt(++at);
    } else if (letter === '%') {
      const run = /^%+/.exec(target.slice(at))?.[0].length ?? 1;
      text += '%'.repeat(run % 2 === 0 ? run / 2 : run);
      at += run - 1;
    } else text += letter;
  }
  return { prefix, target: text };
}
