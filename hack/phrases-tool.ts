import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Phrases that readers have to translate, and what to write instead. Phrases, not words: "log look-up" is fine. */
const phrases: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/\banew\b/i, 'again; replaced; rebuilt'],
  [/\bof before\b(?![).[])|\bthe ones? before\b/i, 'previous'],
  [/\bso (long|many)\b(?! as| that)/i, 'for this long; up to this many; the limit'],
  [/\b(whoever|whomever|as whom|somebody|anybody|nobody)\b/i, 'the user that; any client; no client; another'],
  [/\b(is|are|was|were|be|been|being) told\b|\btells? of\b|\bsays so\b|\bsay so\b/i, 'reported; logged; documented'],
  [/\bstands? (in|twice|with|beside|there)\b/i, 'is; appears; is listed'],
  [/\bwith what\b|\bwhat it is of\b/i, 'dependencies of; the … of'],
  [/\b(is|are) (another|nobody else|somebody else)['’]s\b/i, 'belongs to; is reserved for'],
  [/\b(take|takes|taken|took) from service\b|\blets? go\b|\bgives? up its\b/i, 'stop routing to; release'],
  [/\bput right\b|\bputs right\b/i, 'repair; reconcile'],
  [/\b(is|are) to be\b/i, 'desired state of; must be'],
  [/\btwo (looks|questions|knocks)\b|\bknocks?\b|\bwhat it says of\b/i, 'two checks; probes; reports'],
  [/\bmay not be had\b|\bcannot be had\b/i, 'is not available'],
];

/** Lines that quote such words on purpose. */
const allowed: readonly (readonly [file: RegExp, line: RegExp])[] = [
  [/^hack\/phrases-tool\.ts$/, /./],
  // A variable.
  [/^src\/ingress\/ports\//, /\bof before\b/],
  // Names in code and test data.
  [/^src\/ingress\/ports\/rules\/slots\.ts$/, /'nobody'/],
  // A state of virtual addresses.
  [/^src\/ingress\/(addresses|pools)\//, /['`]nobody['`]/],
  [/^test\//, /'(sticky=|10\.0\.0\.0\/8 )?nobody(\.test|-has-this)?'|"nobody|\bnobody here\b/],
];

const files = execFileSync('git', ['ls-files', '*.md', 'src', 'cmd', 'hack', 'test', 'manifests'], { encoding: 'utf8' })
  .split('\n')
  .filter((file) => /\.(md|ts|yaml|json)$|^hack\/[a-z-]+$/.test(file) && !file.startsWith('test/testdata/'));

let found = 0;
for (const file of files) {
  const lines = readFileSync(file, 'utf8').split('\n');
  for (const [index, line] of lines.entries()) {
    const hit = phrases.find(([pattern]) => pattern.test(line));
    if (hit === undefined || allowed.some(([where, what]) => where.test(file) && what.test(line))) continue;
    found += 1;
    console.error(`${file}:${index + 1}: write "${hit[1]}" instead of "${hit[0].exec(line)?.[0]}"`);
  }
}
if (found > 0) {
  console.error(`${found} lines use phrases that CONTRIBUTING.md asks to avoid`);
  process.exitCode = 1;
}
