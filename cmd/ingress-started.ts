#!/usr/bin/env node
/** The startup probe of the ingress agent's container. */
import { writeSync } from 'node:fs';
import { readCommandLine } from '../src/base/daemon/command-line.ts';
import { podPath } from '../src/ingress/handover/pod-folder.ts';
import { askStarted } from '../src/ingress/handover/started.ts';
import { formatStartedHelp, parseKeeperOptions } from '../src/ingress/http/keeper-options.ts';

const { podUid, directory } = readCommandLine(parseKeeperOptions, formatStartedHelp);
if (podUid === undefined) {
  writeSync(2, '--pod-uid or POD_UID: must be set\n');
  process.exit(2);
}
const reason = await askStarted(podPath(directory, podUid));
if (reason !== undefined) writeSync(1, `${reason}\n`);
process.exit(reason === undefined ? 0 : 1);
