/** Codes of findings; part of the documented output. */
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
  'link-suspended',
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
  'foreign-translation',
  'foreign-untracked',
  'tracking-full',
  'target-silent',
  'target-refuses',
] as const;

export type FindingCode = (typeof findingCodes)[number];

/** A problem with a router, and how to fix it. */
export interface Finding {
  readonly code: FindingCode;
  /** What is wrong: one sentence without a full stop. */
  readonly what: string;
  /** What to do, in the imperative; commands can be pasted as they are. */
  readonly cure: string;
}

/** The cure for anything that only a CNI ADD can create. */
export const recreate = 'delete the pod to recreate the router';

/**
 * Returns an instruction to run a command in the pod's network namespace. Users paste it into a root
 * shell, so `command` must not contain text from foreign rules or names.
 */
export function inNamespace(netns: string, command: string): string {
  return `run "nsenter --net=${quoteWord(netns)} ${command}"`;
}

/** Quotes a word for a shell. */
function quoteWord(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
