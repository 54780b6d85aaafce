/** Runs the kill harnesses for as long as is asked for: node test/soak/main.ts [SECONDS] [SEED]. Ends with 1 for any fault. */
import { variants } from '../lab/plugin.ts';
import { keepAddresses, usualLoad } from './address-moves.ts';
import { killAgent } from './agent-kills.ts';
import { killController } from './controller-kills.ts';
import { killPlugin } from './plugin-kills.ts';

const seconds = Number(process.argv[2] ?? 600);
const seed = Number(process.argv[3] ?? Date.now());
const share = seconds / (variants.length + 3);
let faults = 0;

/** Prints a run: numbers are figures, lists are faults. */
function report(what: string, figures: object): void {
  const lists = Object.entries(figures).filter(([, value]) => Array.isArray(value)) as [string, readonly string[]][];
  faults += lists.reduce((sum, [, list]) => sum + list.length, 0);
  const words = Object.entries(figures).map(
    ([name, value]) => `${Array.isArray(value) ? value.length : value} ${name}`,
  );
  console.log(`${what}: ${words.join(', ')}`);
  for (const line of lists.flatMap(([, list]) => list).slice(0, 10)) console.log(`  ${line}`);
}

console.log(`seed ${seed}`);
for (const [index, variant] of variants.entries())
  report(`plugin, ${variant}`, await killPlugin('ersoak', { variant, seconds: share, seed: seed + index }));
report('ingress agent', await killAgent('ersoaka', { seconds: share, seed }));
report('controller', await killController({ seconds: share, seed }));
report('virtual addresses', await keepAddresses({ seconds: share, load: usualLoad }));
process.exit(faults === 0 ? 0 : 1);
