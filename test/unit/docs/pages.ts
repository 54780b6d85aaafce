import { readdirSync, readFileSync } from 'node:fs';

const skipped = new Set(['node_modules', 'dist', '.git']);

/** Paths of all Markdown pages of the repository. */
export function listPages(folder = '.'): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '.' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return skipped.has(entry.name) ? [] : listPages(path);
    return entry.name.endsWith('.md') ? [path] : [];
  });
}

/** A page without its blocks of code. */
export function readText(path: string): string {
  return readFileSync(path, 'utf8').replace(/^```[\s\S]*?^```/gm, '');
}

/** Targets of the links and images of a text. */
export function listLinks(text: string): readonly string[] {
  const withoutCode = text.replace(/`[^`\n]*`/g, '`code`');
  return [...withoutCode.matchAll(/\]\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:\s+"[^"]*")?\)/g)].map(
    ([, target = '']) => target,
  );
}

/** The anchors that GitHub gives to the headings of a page. */
export function listAnchors(text: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of text.matchAll(/^#{1,6} +(.*?) *#*$/gm)) {
    const slug = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M} _-]/gu, '')
      .replaceAll(' ', '-');
    let anchor = slug;
    for (let count = 1; anchors.has(anchor); count++) anchor = `${slug}-${count}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** The commands of a page: lines of console blocks after their prompt, continued lines joined, comments removed. */
export function listCommands(path: string): readonly string[] {
  const blocks = [...readFileSync(path, 'utf8').matchAll(/^```console\n([\s\S]*?)^```/gm)];
  return blocks.flatMap(([, block = '']) =>
    block
      .replaceAll(/\\\n\s*/g, ' ')
      .split('\n')
      .filter((line) => /^[$#] /.test(line))
      .map((line) => line.slice(2).replace(/\s+# .*$/, '')),
  );
}
