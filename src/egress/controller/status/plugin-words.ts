import { escapeUnprintable } from '../../../base/model/text.ts';

/**
 * What runtime and Multus put around an error of the plugin, the outermost first: sandbox identifiers,
 * arguments and paths, 400 characters before the first word that helps.
 */
const heads: readonly RegExp[] = [
  /^.*\bplugin type="?egress-router"?[^:]*failed \(\w+\)[^:]*: /s,
  /^.*\berror adding container to network "[^"]*": (?:plugin type="[^"]*" [^:]*: )?/s,
  /^.*\bfailed to setup network for sandbox "[^"]*": /s,
  /^Failed to create pod sandbox: (?:rpc error: code = \w+ desc = )?/,
  /^Readiness probe failed: /,
];

/** What Multus's daemon puts behind it. */
const tail = /['"]?\s*:? StdinData: .*$/s;

/** An Event's message from the plugin's own first word on, on one line; of others, as it is. */
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
