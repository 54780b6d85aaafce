import { escapeJson } from '../base/model/text.ts';

/** A document as JSON; a terminal can show it whatever stands in its texts. */
export function renderJson(document: unknown, indent: number | undefined = 2): string {
  return `${escapeJson(JSON.stringify(document, undefined, indent))}\n`;
}
