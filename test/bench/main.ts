/** Measures; prints tables. Every figure of a table comes from one run, the contestants in turn. */
import { cpus, release } from 'node:os';
import { benchAttach, benchStart } from './attach.ts';
import { benchPath } from './path.ts';

console.log(`${cpus().length} × ${cpus()[0]?.model.trim()}, Linux ${release()}; medians.\n`);
console.log(`Start:\n\n${benchStart()}\n`);
console.log(`Attaching a pod, each in a new network namespace:\n\n${benchAttach()}\n`);
console.log(
  `New connections through a router with 10,000 rules (first packets, from 200 client addresses):\n\n${benchPath()}`,
);
