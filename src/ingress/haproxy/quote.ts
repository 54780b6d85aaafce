import { createHash } from 'node:crypto';

/**
 * Rules for each place of HAProxy's grammars: the allowed values, and how to quote them. Every value that a tenant
 * can choose passes one of these functions. Values that cannot be rendered are rejected, never truncated.
 */

/** A value that a place of the grammar cannot contain. */
export class UnfitValue extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnfitValue';
  }
}

/**
 * Maximum length in bytes of a key in a longest-prefix lookup: HAProxy counts bits in a signed 16-bit field (`struct
 * ebmb_node`), and would match longer keys with other requests.
 */
const longestKey = 4095;

/** Counts the routers that a request has passed. Tenants can neither set nor delete it. */
export const hopHeader = 'Egress-Router-Hop';

/** Returns a valid name of a section, server or file: letters, digits and `-_.:`. */
export function checkName(what: string, name: string): string {
  if (/^[A-Za-z0-9_.:-]{1,512}$/.test(name)) return name;
  throw new UnfitValue(`${what} ${show(name)}: use letters, digits and "-_.:" only`);
}

/** File names have at most 255 bytes, including our and HAProxy's prefixes and suffixes. */
const longestFile = 180;

/**
 * Converts a name to a file name. Namespace and name together may exceed the maximum length of a file name; the
 * result then ends with a hash. Colons are replaced, because HAProxy interprets them as the start of a line number.
 * Throws {@link UnfitValue}.
 */
export function fileName(what: string, name: string): string {
  const plain = checkName(what, name).replaceAll(':', '+');
  if (plain.length <= longestFile) return plain;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 32);
  return `${plain.slice(0, longestFile - 33)}+${hash}`;
}

/**
 * Returns a host as a map key: lower case, labels of letters, digits, `-` and `_`; the first label may be `*`, which
 * alone means every host.
 */
export function checkHost(host: string): string {
  if (host === '*') return host;
  if (host.length <= 253 && /^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(host)) return host;
  throw new UnfitValue(`host ${show(host)}: not a host name in lower case`);
}

/** Returns a host with an optional port as part of a map value. */
export function checkAuthority(authority: string): string {
  checkHost(authority.replace(/:\d{1,5}$/, ''));
  return authority;
}

/** Returns a path as a map key: characters that a request line can contain. */
export function checkPath(path: string): string {
  if (path !== '' && !/^\/[\x21-\x7e]*$/.test(path)) {
    throw new UnfitValue(
      `path ${show(path)}: must begin with "/" and contain no blank, control or non-ASCII character`,
    );
  }
  return path;
}

/** Returns a valid key for a longest-prefix lookup. */
export function checkPrefixKey(key: string): string {
  const bytes = Buffer.byteLength(key);
  if (bytes > longestKey) throw new UnfitValue(`host and path of ${bytes} bytes: longer than ${longestKey}`);
  return key;
}

/** Quotes one word of the configuration. Line ends and NUL cannot be quoted. */
export function quoteWord(text: string): string {
  if (/[\0\r\n]/.test(text)) throw new UnfitValue(`${show(text)}: contains a line end or NUL`);
  if (/^[A-Za-z0-9_.:/,@*=+-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** Returns a valid map value, which extends to the end of its line: no blanks at either end, no line ends. */
export function checkMapValue(what: string, value: string): string {
  if (/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value)) return value;
  throw new UnfitValue(`${what} ${show(value)}: must be printable ASCII without leading or trailing blanks`);
}

/** Quotes one argument of a command on the runtime socket, where blank, `;`, `\` and `<` have a meaning. */
export function quoteArgument(text: string): string {
  if (/[\0\r\n]/.test(text)) throw new UnfitValue(`${show(text)}: contains a line end or NUL`);
  return text.replaceAll(/[\\ \t;<]/g, String.raw`\$&`);
}

/** Returns PEM that {@link asPayload} takes, or throws {@link UnfitValue}. */
export function checkPem(text: string): string {
  if (text.includes('\0')) throw new UnfitValue('PEM with a NUL');
  return text;
}

/** Returns PEM as the payload of a command. An empty line would end it, and the socket reads at most one buffer. */
export function asPayload(text: string): string {
  return checkPem(text)
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .join('\n');
}

/** Expressions that may follow `%`, as in OpenShift's API: `%%`, and samples in brackets with flags such as `{+Q}`. */
const expression =
  /%(?:%|(?:\{[-+]?[QXE](?:,[-+]?[QXE])*\})?\[(?:(?:req|res)\.hdr\([A-Za-z0-9_-]{1,255}\)|ssl_c_der)(?:,(?:lower|base64))*\])/g;

/**
 * Quotes a header value in log format: text, `%%`, and `%[…]` or `%{+Q}[…]` with the samples that Route headers may
 * use.
 */
export function quoteHeaderValue(value: string): string {
  if (value.trim() === '') throw new UnfitValue('an empty header value');
  if (value.replaceAll(expression, '').includes('%')) {
    throw new UnfitValue(
      `header value ${show(value)}: "%" must be part of "%%" or of "%[…]" with req.hdr, res.hdr or ssl_c_der`,
    );
  }
  if (/[^\t -~\u00a0-\u{10ffff}]/u.test(value)) {
    throw new UnfitValue(`header value ${show(value)}: contains a control character`);
  }
  return `'${value.replaceAll("'", String.raw`'\''`)}'`;
}

/** Returns a valid name of a header or cookie: a token of RFC 9110. */
export function checkToken(what: string, name: string): string {
  if (/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,255}$/.test(name)) return name;
  throw new UnfitValue(`${what} ${show(name)}: must be a token of RFC 9110`);
}

/** Shortens a value for a message. */
function show(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
