/** Runs the kill harness for as long as is asked for: node test/soak/main.ts [SECONDS] [SEED]. Ends with 1 for any fault. */
import { variants } from '../lab/plugin.ts';
import { killPlugin } from './plugin-kills.ts';

const seconds = Number(process.argv[2] ?? 600);
const seed = Number(process.argv[3] ?? Date.now());
let faults = 0;
for (const [index, variant] of variants.entries()) {
  const figures = await killPlugin('ersoak', { variant, seconds: seconds / variants.length, seed: seed + index });
  const { kills, calls, packets, leaks, leftovers, failures } = figures;
  faults += leaks.length + leftovers.length + failures.length;
  console.log(
    `plugin, ${variant}, seed ${seed + index}: ${kills} kills, ${calls} calls after them, ${packets} packets, ` +
      `${leaks.length} leaks, ${leftovers.length} leftovers, ${failures.length} failures`,
  );
  for (const line of [...leaks, ...leftovers, ...failures].slice(0, 10)) console.log(`  ${line}`);
}
process.exit(faults === 0 ? 0 : 1);
