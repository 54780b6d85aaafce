import type { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord } from '../../base/read/shape.ts';
import type { HeaderChange } from '../intent/match.ts';

/** Changes of request and response headers, in order. */
export interface HeaderActions {
  readonly request: readonly HeaderChange[];
  readonly response: readonly HeaderChange[];
}

/** Maximum per direction (OpenShift's API). */
const maxActions = 20;

/** Headers that only the router may set. */
const protectedHeaders = ['strict-transport-security', 'proxy', 'cookie', 'set-cookie', 'egress-router-hop'];

/** `%%`, or a sample allowed in a value: a header, or the client's certificate, with flags such as `{+Q}`. */
const samples = { request: sampleOf('req'), response: sampleOf('res') };

/** Returns the samples that OpenShift's API allows (RouteHTTPHeaderActions). */
function sampleOf(side: 'req' | 'res'): RegExp {
  const flags = String.raw`(?:\{[-+]?[QXE](?:,[-+]?[QXE])*\})?`;
  const source = String.raw`(?:${side}\.hdr\([0-9A-Za-z_-]{1,255}\)|ssl_c_der)(?:,(?:lower|base64))*`;
  return new RegExp(String.raw`%%|%${flags}\[${source}\]`, 'g');
}

/** Parses `spec.httpHeaders.actions` and records what OpenShift's API would reject. */
export function readHeaderActions(input: unknown, problems: ProblemList): HeaderActions {
  if (input === undefined || input === null) return { request: [], response: [] };
  const path = 'spec.httpHeaders.actions';
  const actions = isRecord(input) ? input.actions : undefined;
  if (!isRecord(input) || !(actions === undefined || actions === null || isRecord(actions))) {
    problems.add(path, actions ?? input, 'must be an object with request and response');
    return { request: [], response: [] };
  }
  const read = (side: 'request' | 'response') =>
    readSide(isRecord(actions) ? actions[side] : undefined, side, `${path}.${side}`, problems);
  return { request: read('request'), response: read('response') };
}

function readSide(
  input: unknown,
  side: 'request' | 'response',
  path: string,
  problems: ProblemList,
): readonly HeaderChange[] {
  if (input === undefined || input === null) return [];
  if (!Array.isArray(input)) {
    problems.add(path, input, 'must be a list of actions');
    return [];
  }
  if (input.length > maxActions) problems.add(path, input.length, `must be at most ${maxActions}`);
  const read = input.slice(0, maxActions).flatMap((one, index): HeaderChange[] => {
    const action = readAction(one, side, `${path}[${index}]`, problems);
    return action === undefined ? [] : [action];
  });
  for (const [index, { name }] of read.entries()) {
    const isDouble = read.findIndex((other) => other.name.toLowerCase() === name.toLowerCase()) < index;
    if (isDouble) problems.add(`${path}[${index}].name`, name, 'must not appear twice');
  }
  return read;
}

function readAction(
  input: unknown,
  side: 'request' | 'response',
  path: string,
  problems: ProblemList,
): HeaderChange | undefined {
  const { name, action } = isRecord(input) ? input : {};
  if (typeof name !== 'string' || !/^[0-9A-Za-z!#$%&'*+.^_`|~-]{1,255}$/.test(name)) {
    problems.add(`${path}.name`, name, 'must be the name of a header');
    return undefined;
  }
  if (protectedHeaders.includes(name.toLowerCase())) {
    problems.add(`${path}.name`, name, `must not be one of ${protectedHeaders.join(', ')}`);
    return undefined;
  }
  const { type, set } = isRecord(action) ? action : {};
  if (type === 'Delete') return { name };
  if (type !== 'Set') {
    problems.add(`${path}.action.type`, type, 'must be Set or Delete');
    return undefined;
  }
  const value = isRecord(set) ? set.value : undefined;
  if (typeof value !== 'string' || !isValue(value, side)) {
    const sample = side === 'request' ? '%[req.hdr(NAME)]' : '%[res.hdr(NAME)]';
    const cure = `must be 1 to 16384 printable characters; % only as %%, ${sample} or %[ssl_c_der], with ,lower or ,base64 and flags such as %{+Q}[…]`;
    problems.add(`${path}.action.set.value`, value, cure);
    return undefined;
  }
  return { name, value };
}

function isValue(value: string, side: 'request' | 'response'): boolean {
  if (value.length < 1 || value.length > 16_384) return false;
  // Header values contain no control character except the tab (RFC 9110 §5.5).
  if (/\p{Cc}/u.test(value.replaceAll('\t', ''))) return false;
  return !value.replace(samples[side], '').includes('%');
}
