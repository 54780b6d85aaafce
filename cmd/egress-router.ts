#!/usr/bin/env node
/** The CNI plugin: reads the call, runs it, prints its outcome. */
import { readFileSync, writeSync } from 'node:fs';
import manifest from '../package.json' with { type: 'json' };
import { runPlugin } from '../src/cni/main.ts';
import { identifyNamespace } from '../src/kernel/linux/namespace.ts';
import { listNodeLinks, openLinuxKernel } from '../src/kernel/linux/parts.ts';
import { chooseBackend } from '../src/kernel/linux/rule-tools.ts';
import { FileStateStore } from '../src/kernel/linux/state-store.ts';

const store = new FileStateStore();
const outcome = runPlugin(
  {
    environment: process.env,
    readInput: () => readFileSync(0, 'utf8'),
    programVersion: manifest.version,
  },
  {
    store,
    openKernel: (path, backend) => openLinuxKernel(path, backend, store),
    identifyNamespace,
    checkBackend: (choice) => void chooseBackend(choice),
    listNodeLinks,
  },
);
if (outcome.stderr !== '') writeSync(2, outcome.stderr);
for (let rest = Buffer.from(outcome.stdout); rest.length > 0; ) rest = rest.subarray(writeSync(1, rest));
process.exit(outcome.exitCode);
