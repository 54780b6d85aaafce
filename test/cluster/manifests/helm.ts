import { readdirSync, readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { parse, parseAllDocuments, stringify } from 'yaml';
import type { KubeDocument } from './rendered.ts';

type Values = Readonly<Record<string, unknown>>;

/** What is left of a template, as tokens: text, and the words of an action. */
type Token = { readonly text: string } | { readonly action: string };

/** Splits a template; an action with a dash trims the white space on that side (Go, text/template). */
function tokenize(template: string): readonly Token[] {
  const parts = template.split(/(\{\{-?\s[\s\S]*?\s-?\}\})/);
  return parts.map((part, index): Token => {
    if (index % 2 === 1) return { action: part.replace(/^\{\{-?\s+|\s+-?\}\}$/g, '') };
    let text = part;
    if (parts[index - 1]?.endsWith('-}}')) text = text.trimStart();
    if (parts[index + 1]?.startsWith('{{-')) text = text.trimEnd();
    if (/\{\{|\}\}/.test(text)) throw new Error(`Unreadable action in ${text.slice(0, 200)}`);
    return { text };
  });
}

/**
 * Renders the part of Helm's language that the chart uses: `.Values.PATH`, `.`, `if`, `else`, `range`, `end`,
 * `toYaml`, `nindent`. Throws for anything else, and for values that do not exist.
 */
export function renderTemplate(template: string, values: Values): string {
  const tokens = tokenize(template);
  let at = 0;
  const run = (dot: unknown, isActive: boolean): { readonly text: string; readonly end: string } => {
    let text = '';
    for (;;) {
      const token = tokens[at++];
      if (token === undefined) return { text, end: '' };
      if ('text' in token) {
        text += token.text;
        continue;
      }
      const [word = '', ...rest] = token.action.split(/\s+/);
      if (word === 'end' || word === 'else') return { text, end: word };
      if (word !== 'if' && word !== 'range') {
        if (isActive) text += evaluate(token.action, dot, values);
        continue;
      }
      const value = isActive ? lookUp(rest.join(' '), dot, values) : undefined;
      text += word === 'if' ? branch(dot, isActive, isTrue(value)) : repeat(value, isActive);
    }
  };
  const branch = (dot: unknown, isActive: boolean, isMet: boolean): string => {
    const first = run(dot, isActive && isMet);
    if (first.end === 'end') return isMet ? first.text : '';
    if (first.end !== 'else') throw new Error('an "if" has no "end"');
    const second = run(dot, isActive && !isMet);
    if (second.end !== 'end') throw new Error('an "else" has no "end"');
    return isMet ? first.text : second.text;
  };
  const repeat = (value: unknown, isActive: boolean): string => {
    const start = at;
    const items = isActive ? (value as readonly unknown[]) : [];
    if (!Array.isArray(items)) throw new Error('"range" needs a list');
    let text = '';
    for (const item of items) {
      at = start;
      text += run(item, true).text;
    }
    if (items.length === 0) run(undefined, false);
    return text;
  };
  const { text, end } = run(undefined, true);
  if (end !== '') throw new Error(`"${end}" without a beginning`);
  return text;
}

/** Helm counts empty values as false. */
function isTrue(value: unknown): boolean {
  return (
    !['', 0, false, null, undefined].includes(value as string) &&
    !isDeepStrictEqual(value, []) &&
    !isDeepStrictEqual(value, {})
  );
}

function evaluate(action: string, dot: unknown, values: Values): string {
  const [head = '', ...pipeline] = action.split(/\s*\|\s*/);
  const isYaml = head.startsWith('toYaml ');
  const value = lookUp(isYaml ? head.slice('toYaml '.length) : head, dot, values);
  if (!isYaml && typeof value === 'object') throw new Error(`${head} is not a plain value: use toYaml`);
  let text = isYaml ? stringify(value, { lineWidth: 0 }).trimEnd() : String(value);
  for (const step of pipeline) {
    const [, width] = /^nindent (\d+)$/.exec(step) ?? [];
    if (width === undefined) throw new Error(`${step} is not in the language of the chart`);
    const indent = ' '.repeat(Number(width));
    text = `\n${text
      .split('\n')
      .map((line) => `${indent}${line}`)
      .join('\n')}`;
  }
  return text;
}

function lookUp(path: string, dot: unknown, values: Values): unknown {
  const [, root, rest = ''] = /^(\.Values(?=\.)|\.)((?:\.?\w+)*)$/.exec(path) ?? [];
  if (root === undefined) throw new Error(`${path} is not in the language of the chart`);
  let value: unknown = root === '.' ? dot : values;
  for (const key of rest.split('.').filter((part) => part !== '')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) throw new Error(`no value ${path}`);
    value = (value as Values)[key];
  }
  return value;
}

/** Values that replace those of values.yaml; maps are merged, lists and scalars replaced, as Helm does. */
function mergeValues(base: Values, changes: Values): Values {
  const isMap = (value: unknown): value is Values =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(changes)) {
    merged[key] = isMap(value) && isMap(base[key]) ? mergeValues(base[key], value) : value;
  }
  return merged;
}

/** Defaults of the chart. */
const chartValues = parse(readFileSync('manifests/chart/values.yaml', 'utf8')) as Values;

/** The objects of the chart, with values that replace the defaults. */
export function renderChart(changes: Values = {}): readonly KubeDocument[] {
  const folder = 'manifests/chart/templates';
  const values = mergeValues(chartValues, changes);
  return readdirSync(folder)
    .sort()
    .flatMap((file) => parseAllDocuments(renderTemplate(readFileSync(`${folder}/${file}`, 'utf8'), values)))
    .map((document) => {
      if (document.errors.length > 0) throw document.errors[0];
      return document.toJS() as KubeDocument;
    })
    .filter((object) => object !== null);
}
