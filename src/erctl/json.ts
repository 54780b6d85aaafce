import { escapeJson } from '../base/model/text.ts';

/** Renders a document as JSON with escaped control characters, safe for terminals. */
export function renderJson(document: unknown, indent: number | undefined = 2): string {
  return `${escapeJson(JSON.stringify(document, undefined, indent))}\n`;
}
