import { escapeUnprintable } from '../../../base/model/text.ts';

/**
 * Prefixes that the runtime and Multus add to an error of the plugin, outermost first: sandbox identifiers, arguments
 * and paths, 400 characters before the first helpful word.
 */
const heads: readonly RegExp[] = [
  /^.*\bplugin type="?egress-router"?[^:]*failed \(\w+\)[^:]*: /s,
  /^.*\berror adding container to network "[^"]*": (?:plugin type="[^"]*" [^:]*: )?/s,
  /^.*\bfailed to setup network for sandbox "[^"]*": /s,
  /^Failed to create pod sandbox: (?:rpc error: code = \w+ desc = )?/,
  /^Readiness probe failed: /,
];

/** Suffix that Multus's daemon adds. */
const tail = /['"]?\s*:? StdinData: .*$/s;

/** Returns an Event's message from the plugin's first word, on one line. Other messages are returned unchanged. */
export function extractPluginWords(message: string): string {
  const head = heads.find((one) => one.test(message));
  const words = head === undefined ? message : message.replace(head, '');
  return escapeUnprintable(
    words
      .replace(tail, '')
      .trim()
      .replaceAll(/\s*\n\s*/g, '; '),
  );
}
