import { isRecord } from '../../base/read/shape.ts';
import { showValue } from '../../base/read/show-value.ts';
import { longestHostAndPath, type Match, type PathMatch, type ValueMatch } from '../intent/match.ts';
import { isAbsent } from './parts.ts';

/** Conditions of a match. */
export type Conditions = Pick<Match, 'path' | 'method' | 'headers' | 'params'>;

/** A description of what is wrong with a value. */
export interface Fault {
  readonly fault: string;
}

export function isFault(value: object): value is Fault {
  return 'fault' in value;
}

/** Describes an invalid value. */
export function wrong(path: string, value: unknown, cure: string): Fault {
  return { fault: `${path} ${showValue(value)}: ${cure}` };
}

const everyPath: PathMatch = { type: 'element', value: '' };

/** A match without conditions. */
export const anything: Conditions = { path: everyPath };

/** Methods of the API (HTTPMethod). */
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];

/** Parses an item of `matches` of an HTTPRoute. */
export function readHttpMatch(written: unknown, place: string): Conditions | Fault {
  if (!isRecord(written)) return wrong(place, written, 'must be a match');
  const { method } = written;
  const path = readPath(written.path, `${place}.path`);
  if (isFault(path)) return path;
  if (!isAbsent(method) && !(typeof method === 'string' && methods.includes(method))) {
    return wrong(`${place}.method`, method, `must be one of ${methods.join(', ')}`);
  }
  const headers = readValues(written.headers, place, 'headers');
  if (isFault(headers)) return headers;
  const params = readValues(written.queryParams, place, 'queryParams');
  if (isFault(params)) return params;
  return {
    path,
    ...(!isAbsent(method) && { method: method as string }),
    ...(headers.length > 0 && { headers }),
    ...(params.length > 0 && { params }),
  };
}

/** Characters of a path (HTTPPathMatch). */
const pathCharacters = /^\/(?:[-\w/.~!$&'()*+,;=:@]|%[\da-fA-F]{2})*$/;

/** Maximum length of a path in the API. */
const longestPath = Math.min(1024, longestHostAndPath - 254);

function readPath(written: unknown, place: string): PathMatch | Fault {
  if (isAbsent(written)) return everyPath;
  const { type = 'PathPrefix', value = '/' } = isRecord(written) ? written : { type: written };
  if (typeof value !== 'string' || value.length > longestPath) {
    return wrong(`${place}.value`, value, `must be a path of at most ${longestPath} characters`);
  }
  if (type === 'RegularExpression') return readPattern(value, `${place}.value`) ?? { type: 'regex', value };
  if (type !== 'Exact' && type !== 'PathPrefix') {
    return wrong(`${place}.type`, type, 'must be Exact, PathPrefix or RegularExpression');
  }
  if (!pathCharacters.test(value) || /\/\/|\/\.\.?(?:\/|$)|%2f/i.test(value)) {
    return wrong(`${place}.value`, value, 'must begin with "/" and be a normalized path without "?" and "#"');
  }
  // A trailing slash of a prefix means nothing.
  return type === 'Exact' ? { type: 'exact', value } : { type: 'element', value: value.replace(/\/+$/, '') };
}

/**
 * Names of headers, and of query parameters (HTTPHeaderName). The data plane separates fields with "|", and a name of a
 * parameter ends at "&".
 */
const nameCharacters = {
  headers: /^[A-Za-z0-9!#$%&'*+\-.^_`~]{1,256}$/,
  queryParams: /^[A-Za-z0-9!#$%'*+\-.^_`~]{1,256}$/,
};

/** Parses conditions on headers or query parameters. Of equal names, the first one counts. */
export function readValues(
  written: unknown,
  place: string,
  field: 'headers' | 'queryParams',
): readonly ValueMatch[] | Fault {
  if (isAbsent(written)) return [];
  if (!Array.isArray(written) || written.length > maxConditions) {
    return wrong(`${place}.${field}`, written, `must be a list of at most ${maxConditions} conditions`);
  }
  const values = new Map<string, ValueMatch>();
  for (const [index, one] of written.entries()) {
    const { type = 'Exact', name, value } = isRecord(one) ? one : {};
    const at = `${place}.${field}[${index}]`;
    if (typeof name !== 'string' || !nameCharacters[field].test(name)) {
      const marks = field === 'headers' ? "!#$%&'*+-.^_`~" : "!#$%'*+-.^_`~";
      return wrong(`${at}.name`, name, `must be a name of at most 256 letters, digits and ${marks}`);
    }
    if (type !== 'Exact' && type !== 'RegularExpression') {
      return wrong(`${at}.type`, type, 'must be Exact or RegularExpression');
    }
    // Header values contain no control character except the tab (RFC 9110 §5.5).
    if (typeof value !== 'string' || !isConditionValue(value)) {
      return wrong(`${at}.value`, value, 'must be 1 to 4096 bytes of text without control characters');
    }
    const fault = type === 'RegularExpression' ? readPattern(value, `${at}.value`) : undefined;
    if (fault !== undefined) return fault;
    const key = field === 'headers' ? name.toLowerCase() : name;
    if (!values.has(key)) values.set(key, { name, type: type === 'Exact' ? 'exact' : 'regex', value });
  }
  return [...values.values()];
}

function isConditionValue(value: string): boolean {
  const length = Buffer.byteLength(value);
  return length > 0 && length <= 4096 && value.isWellFormed() && !/\p{Cc}/u.test(value.replaceAll('\t', ''));
}

/** Limit of the API for headers and for query parameters of a match. */
const maxConditions = 16;

/** Returns what is wrong with a regular expression. The data plane checks its syntax in detail. */
function readPattern(value: string, place: string): Fault | undefined {
  if (value === '' || value.length > 1024 || /\p{Cc}/u.test(value)) {
    return wrong(place, value, 'must be a regular expression of 1 to 1024 printable characters');
  }
  return undefined;
}

/** Parses an item of `matches` of a GRPCRoute: methods are paths (`/SERVICE/METHOD`). */
export function readGrpcMatch(written: unknown, place: string): Conditions | Fault {
  if (!isRecord(written)) return wrong(place, written, 'must be a match');
  const path = readMethod(written.method, `${place}.method`);
  if (isFault(path)) return path;
  const headers = readValues(written.headers, place, 'headers');
  if (isFault(headers)) return headers;
  return { path, ...(headers.length > 0 && { headers }) };
}

const serviceName = /^\.?[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/;
const methodName = /^[A-Za-z_]\w*$/;

function readMethod(written: unknown, place: string): PathMatch | Fault {
  if (isAbsent(written)) return everyPath;
  const { type = 'Exact', service = '', method = '' } = isRecord(written) ? withoutNulls(written) : { type: written };
  const limit = 1024;
  if (typeof service !== 'string' || service.length > limit) {
    return wrong(`${place}.service`, service, `must be at most ${limit} characters`);
  }
  if (typeof method !== 'string' || method.length > limit) {
    return wrong(`${place}.method`, method, `must be at most ${limit} characters`);
  }
  if (type === 'RegularExpression') {
    const pattern = `/(?:${service === '' ? '[^/]+' : service})/(?:${method === '' ? '[^/]+' : method})`;
    return readPattern(pattern, place) ?? { type: 'regex', value: pattern };
  }
  if (type !== 'Exact') return wrong(`${place}.type`, type, 'must be Exact or RegularExpression');
  if (service === '' && method === '') return wrong(place, written, 'must name a service or a method');
  if (service !== '' && !serviceName.test(service)) {
    return wrong(`${place}.service`, service, 'must be the name of a gRPC service');
  }
  if (method !== '' && !methodName.test(method)) {
    return wrong(`${place}.method`, method, 'must be the name of a gRPC method');
  }
  if (service === '') return { type: 'regex', value: `/[^/]+/${method}` };
  return method === '' ? { type: 'element', value: `/${service}` } : { type: 'exact', value: `/${service}/${method}` };
}

function withoutNulls(record: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== null));
}
