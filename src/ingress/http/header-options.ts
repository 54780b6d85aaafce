import type { Capture, HeaderAction } from '../haproxy/model.ts';

const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,255}$/;

/** Parses ROUTER_HTTP_REQUEST_HEADERS: URL-encoded `name:value:Set` and `name:Delete`, separated by commas. */
export function parseHeaderActions(text: string): readonly HeaderAction[] | undefined {
  const actions: HeaderAction[] = [];
  for (const word of text.split(',')) {
    const parts = word.trim().split(':').map(decode);
    const [name, value] = parts;
    if (name === undefined || !headerName.test(name)) return undefined;
    if (parts.length === 3 && parts[2] === 'Set' && value !== undefined && value !== '') {
      actions.push({ action: 'set', name, value });
    } else if (parts.length === 2 && value === 'Delete') actions.push({ action: 'delete', name });
    else return undefined;
  }
  return actions;
}

/** Parses ROUTER_CAPTURE_HTTP_REQUEST_HEADERS: `name:length`, separated by commas. */
export function parseCaptures(text: string): readonly Capture[] | undefined {
  const captures: Capture[] = [];
  for (const word of text.split(',')) {
    const [, name, length] = /^\s*([^:\s]+):([1-9]\d{0,4})\s*$/.exec(word) ?? [];
    if (name === undefined || !headerName.test(name)) return undefined;
    captures.push({ name, length: Number(length) });
  }
  return captures;
}

/** Parses ROUTER_CAPTURE_HTTP_COOKIE: `name:length` for cookies with this prefix, `name=:length` for the exact name. */
export function parseCookieCapture(
  text: string,
): { readonly name: string; readonly prefix: boolean; readonly length: number } | undefined {
  const [, name, exact, length] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,255})(=?):([1-9]\d{0,4})$/.exec(text) ?? [];
  return name === undefined ? undefined : { name, prefix: exact !== '=', length: Number(length) };
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}
