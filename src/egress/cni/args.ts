import { showValue } from '../../base/read/show-value.ts';
import { macCure, parseMac } from '../api/mac.ts';

/** The relevant part of `CNI_ARGS`. */
export interface CniArgs {
  /** Lower-case `aa:bb:…`. */
  readonly mac?: string;
  /** The pod, for messages. */
  readonly podNamespace?: string;
  readonly podName?: string;
}

/** Names that runtimes pass. `IP` is accepted but unused, because the reserved address is configured. */
const knownNames = new Set([
  'IgnoreUnknown',
  'IP',
  'MAC',
  'K8S_POD_NAME',
  'K8S_POD_NAMESPACE',
  'K8S_POD_INFRA_CONTAINER_ID',
  'K8S_POD_UID',
]);

/** Values that Go plugins treat as true (CNI's UnmarshallableBool). */
const trueWords = new Set(['1', 'true']);

/**
 * Parses `CNI_ARGS`, `KEY=VALUE` pairs separated by `;` (CNI spec 1.1.0 §2). An unknown key is a problem unless
 * `IgnoreUnknown=1` is set. Problems are appended to `problems`.
 */
export function parseCniArgs(text: string, problems: string[]): CniArgs {
  const pairs = new Map<string, string>();
  for (const pair of text.split(';')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    if (equals < 1) problems.push(`CNI_ARGS ${showValue(pair)}: must be KEY=VALUE pairs joined by ";"`);
    else pairs.set(pair.slice(0, equals), pair.slice(equals + 1));
  }
  if (!trueWords.has((pairs.get('IgnoreUnknown') ?? '').toLowerCase())) {
    const unknown = [...pairs.keys()].filter((key) => !knownNames.has(key));
    if (unknown.length > 0) {
      problems.push(`CNI_ARGS ${showValue(unknown.join(';'))}: is unknown; remove it or add IgnoreUnknown=1`);
    }
  }
  return makeArgs(pairs, problems);
}

function makeArgs(pairs: ReadonlyMap<string, string>, problems: string[]): CniArgs {
  const podNamespace = pairs.get('K8S_POD_NAMESPACE');
  const podName = pairs.get('K8S_POD_NAME');
  const macText = pairs.get('MAC') ?? '';
  const mac = parseMac(macText);
  if (mac === undefined && macText !== '') problems.push(`CNI_ARGS MAC=${showValue(macText)}: ${macCure}`);
  return {
    ...(mac !== undefined && { mac }),
    ...(podNamespace !== undefined && { podNamespace }),
    ...(podName !== undefined && { podName }),
  };
}
