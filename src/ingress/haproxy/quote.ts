import { createHash } from 'node:crypto';

/**
 * What may stand at each place of HAProxy's grammars, and how it is written there. Every value that a
 * tenant can choose passes one of these functions; what cannot be written is refused, never trimmed.
 */

/** A value that a place of the grammar cannot hold. */
export class UnfitValue extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnfitValue';
  }
}

/**
 * Bytes of a key that HAProxy searches for the longest prefix: it counts their bits in 16, signed
 * (`struct ebmb_node`). A longer key would be found by what it does not begin.
 */
const longestKey = 4095;

/** Counts how often a request passed a router; tenants can neither set nor delete it. */
export const hopHeader = 'Egress-Router-Hop';

/** A name of a section, server or file: HAProxy's letters, digits and `-_.:`. */
export function checkName(what: string, name: string): string {
  if (/^[A-Za-z0-9_.:-]{1,512}$/.test(name)) return name;
  throw new UnfitValue(`${what} ${show(name)}: use letters, digits and "-_.:" only`);
}

/** A file's name has at most 255 bytes; HAProxy and we put some before and behind it. */
const longestFile = 180;

/**
 * A name as that of a file: a namespace and a name may be longer together than a file's name may be, and
 * end in a hash then. A colon in it begins the number of a line to HAProxy. Throws {@link UnfitValue}.
 */
export function fileName(what: string, name: string): string {
  const plain = checkName(what, name).replaceAll(':', '+');
  if (plain.length <= longestFile) return plain;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 32);
  return `${plain.slice(0, longestFile - 33)}+${hash}`;
}

/** A host as a key of a map: lower case, labels of letters, digits, `-` and `_`; `*` for the first label. */
export function checkHost(host: string): string {
  if (host.length <= 253 && /^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(host)) return host;
  throw new UnfitValue(`host ${show(host)}: not a host name in lower case`);
}

/** A path as a key of a map: what can stand in a request line. */
export function checkPath(path: string): string {
  if (path !== '' && !/^\/[\x21-\x7e]*$/.test(path)) {
    throw new UnfitValue(`path ${show(path)}: begins with "/" and has no blank, control or non-ASCII character`);
  }
  return path;
}

/** A key of a map that is searched for the longest prefix. */
export function checkPrefixKey(key: string): string {
  const bytes = Buffer.byteLength(key);
  if (bytes > longestKey) throw new UnfitValue(`host and path of ${bytes} bytes: longer than ${longestKey}`);
  return key;
}

/** One word of the configuration, whatever it holds, but for line ends and NUL, which no quoting carries. */
export function quoteWord(text: string): string {
  if (/[\0\r\n]/.test(text)) throw new UnfitValue(`${show(text)}: holds a line end or NUL`);
  if (/^[A-Za-z0-9_.:/,@*=+-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** A value of a map: the rest of its line, so neither blank at an end nor line ends. */
export function checkMapValue(what: string, value: string): string {
  if (/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value)) return value;
  throw new UnfitValue(`${what} ${show(value)}: printable ASCII without a blank at an end`);
}

/** One argument of a command on the runtime socket, where blank, `;`, `\` and `<` mean something. */
export function quoteArgument(text: string): string {
  if (/[\0\r\n]/.test(text)) throw new UnfitValue(`${show(text)}: holds a line end or NUL`);
  return text.replaceAll(/[\\ \t;<]/g, String.raw`\$&`);
}

/** PEM as the payload of a command: an empty line would end it, and the socket reads at most a buffer. */
export function asPayload(text: string): string {
  if (text.includes('\0')) throw new UnfitValue('PEM with a NUL');
  return text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .join('\n');
}

/** What `%` may begin, as OpenShift's API lets it: `%%`, and with flags such as `{+Q}` a sample in brackets. */
const expression =
  /%(?:%|(?:\{[-+]?[QXE](?:,[-+]?[QXE])*\})?\[(?:(?:req|res)\.hdr\([A-Za-z0-9_-]{1,255}\)|ssl_c_der)(?:,(?:lower|base64))*\])/g;

/** The value of a header in log format: text, `%%`, and `%[…]` or `%{+Q}[…]` of what Route headers may name. */
export function quoteHeaderValue(value: string): string {
  if (value.trim() === '') throw new UnfitValue('an empty header value');
  if (value.replaceAll(expression, '').includes('%')) {
    throw new UnfitValue(`header value ${show(value)}: "%" begins "%%" or "%[…]" of req.hdr, res.hdr or ssl_c_der`);
  }
  if (/[^\t -~\u00a0-\u{10ffff}]/u.test(value)) {
    throw new UnfitValue(`header value ${show(value)}: holds a control character`);
  }
  return `'${value.replaceAll("'", String.raw`'\''`)}'`;
}

/** Name of a header, of a cookie: a token of RFC 9110. */
export function checkToken(what: string, name: string): string {
  if (/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,255}$/.test(name)) return name;
  throw new UnfitValue(`${what} ${show(name)}: not a token`);
}

/** At most so much of a value as a message can bear. */
function show(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
