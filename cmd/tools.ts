#!/usr/bin/env node
/**
 * All programs without special demands on their start time, in one executable: each one compiled separately would
 * contain the whole runtime, a hundred megabytes. The name of the link selects the program.
 */
import { writeSync } from 'node:fs';
import { basename } from 'node:path';

const programs: Readonly<Record<string, () => Promise<unknown>>> = {
  'ingress-addresses': () => import('./ingress-addresses.ts'),
  'ingress-agent': () => import('./ingress-agent.ts'),
  'ingress-started': () => import('./ingress-started.ts'),
  'ingress-haproxy': () => import('./ingress-haproxy.ts'),
  'egress-router-controller': () => import('./controller.ts'),
  'egress-router-node': () => import('./node.ts'),
  'install-cni': () => import('./install-cni.ts'),
  erctl: () => import('./erctl.ts'),
};

const name = basename(process.argv0);
const program = Object.hasOwn(programs, name) ? programs[name] : undefined;
if (program === undefined) {
  writeSync(2, `${name}: must be invoked by the name of a program: ${Object.keys(programs).join(', ')}\n`);
  process.exit(2);
}
await program();
