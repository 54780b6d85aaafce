#!/usr/bin/env node
/**
 * The CNI plugin: reads the call, runs it, prints its result. Invoked as `egress-router-pod` it is the program of the
 * router pod, which needs little more and must start equally fast, because a probe runs every few seconds.
 */
import { writeSync } from 'node:fs';
import { version } from '../src/base/daemon/version.ts';
import { identifyNamespace } from '../src/base/linux/namespace.ts';
import { chooseBackend } from '../src/base/linux/rule-tools.ts';
import { stateFolder } from '../src/base/linux/run-folder.ts';
import { runPlugin } from '../src/egress/cni/main.ts';
import { askNames } from '../src/egress/linux/ask-names.ts';
import { confine, outliveParent } from '../src/egress/linux/confine.ts';
import { openLogSink } from '../src/egress/linux/log/log-sink.ts';
import { openLinuxKernel, readNodeLinks } from '../src/egress/linux/parts.ts';
import { readStandardInput } from '../src/egress/linux/standard-input.ts';
import { removeIfMarked } from '../src/egress/linux/state/removal-mark.ts';
import { FileStateStore } from '../src/egress/linux/state/state-store.ts';
import { namesSocket } from '../src/egress/model/name-request.ts';

if (process.argv[2] === '--version') writeSync(1, `${process.argv0.replace(/^.*\//s, '')} ${version}\n`);
else if (/(?:^|\/)egress-router-pod$/.test(process.argv0)) void runInPod();
else process.exit(runAsPlugin());

/** Loaded on demand, so that the plugin does not pay for it. */
async function runInPod(): Promise<void> {
  const [{ runPodProgram }, { readPodView }] = await Promise.all([
    import('../src/egress/pod/main.ts'),
    import('../src/egress/linux/pod-view.ts'),
  ]);
  runPodProgram(process.argv.slice(2), readPodView);
}

function runAsPlugin(): number {
  outliveParent();
  confine();
  const store = new FileStateStore(stateFolder, { tidies: true });
  const outcome = runPlugin(
    {
      environment: process.env,
      readInput: readStandardInput,
      programVersion: version,
    },
    {
      store,
      openKernel: (path, backend, redirects) => openLinuxKernel(path, backend, store, redirects),
      identifyNamespace,
      checkBackend: (choice) => void chooseBackend(choice),
      openLog: openLogSink,
      readNodeLinks,
      askNames: (request) => askNames(namesSocket, request),
    },
  );
  if (process.env.CNI_COMMAND === 'DEL') removeIfMarked(store, process.execPath);
  if (outcome.stderr !== '') writeSync(2, outcome.stderr);
  for (let rest = Buffer.from(outcome.stdout); rest.length > 0; ) rest = rest.subarray(writeSync(1, rest));
  return outcome.exitCode;
}
