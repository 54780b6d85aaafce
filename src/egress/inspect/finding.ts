/** What can be found; the names are part of the documented output. */
export const findingCodes = [
  'state-missing',
  'link-missing',
  'link-renamed',
  'link-replaced',
  'link-mode',
  'link-master',
  'link-mtu',
  'link-mac',
  'link-down',
  'master-missing',
  'master-down',
  'pod-link',
  'address-missing',
  'address-taken',
  'gateway-silent',
  'gateway-mac',
  'route-missing',
  'old-default',
  'policy-rule-missing',
  'way-diverted',
  'sysctl',
  'rules-gone',
  'redirect-missing',
  'redirect-changed',
  'redirect-foreign',
  'rule-missing',
  'rule-foreign',
  'rule-order',
  'rules-stale',
  'foreign-drop',
  'foreign-accept',
  'tracking-full',
  'target-silent',
  'target-refuses',
] as const;

export type FindingCode = (typeof findingCodes)[number];

/** One thing that is wrong, and what helps. */
export interface Finding {
  readonly code: FindingCode;
  /** One sentence without a full stop. */
  readonly what: string;
  /** What to do, in the imperative; commands are complete. */
  readonly cure: string;
}

/** The cure for whatever only an ADD can make. */
export const recreate = 'delete the pod, so that the router is created again';

/**
 * A command that works in the pod's namespace, for people to copy. `command` must not repeat anything
 * that others chose: what they put into a rule or a name must not be run by a shell.
 */
export function inNamespace(netns: string, command: string): string {
  return `run "nsenter --net=${quoteWord(netns)} ${command}"`;
}

/** A word as a shell takes it literally. */
function quoteWord(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
