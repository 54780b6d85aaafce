#!/usr/bin/env node
/**
 * The CNI plugin: reads the call, runs it, prints its outcome. Called as `egress-router-pod` it is the
 * program of a router's pod, which needs little more and must start as quickly: a probe runs every
 * few seconds.
 */
import { writeSync } from 'node:fs';
import { basename } from 'node:path';
import manifest from '../package.json' with { type: 'json' };
import { runPlugin } from '../src/cni/main.ts';
import { confine, outliveParent } from '../src/kernel/linux/confine.ts';
import { openLogSink } from '../src/kernel/linux/log/log-sink.ts';
import { identifyNamespace } from '../src/kernel/linux/namespace.ts';
import { listNodeLinks, openLinuxKernel } from '../src/kernel/linux/parts.ts';
import { chooseBackend } from '../src/kernel/linux/rule-tools.ts';
import { readStandardInput } from '../src/kernel/linux/standard-input.ts';
import { stateFolder } from '../src/kernel/linux/state/folder.ts';
import { FileStateStore } from '../src/kernel/linux/state/state-store.ts';

if (basename(process.argv0) === 'egress-router-pod') void runInPod();
else process.exit(runAsPlugin());

/** Loaded when it is needed: the plugin need not pay for it. */
async function runInPod(): Promise<void> {
  const [{ runPodProgram }, { readPodView }] = await Promise.all([
    import('../src/pod/main.ts'),
    import('../src/kernel/linux/pod-view.ts'),
  ]);
  await runPodProgram(process.argv.slice(2), readPodView);
}

function runAsPlugin(): number {
  outliveParent();
  confine();
  const store = new FileStateStore(stateFolder, { tidies: true });
  const outcome = runPlugin(
    {
      environment: process.env,
      readInput: readStandardInput,
      programVersion: manifest.version,
    },
    {
      store,
      openKernel: (path, backend, redirects) => openLinuxKernel(path, backend, store, redirects),
      identifyNamespace,
      checkBackend: (choice) => void chooseBackend(choice),
      openLog: openLogSink,
      listNodeLinks,
    },
  );
  if (outcome.stderr !== '') writeSync(2, outcome.stderr);
  for (let rest = Buffer.from(outcome.stdout); rest.length > 0; ) rest = rest.subarray(writeSync(1, rest));
  return outcome.exitCode;
}
