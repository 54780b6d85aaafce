#!/usr/bin/env node
/** Puts the CNI plugin into a node, and keeps it there. */
import { readCommandLine } from '../src/daemon/command-line.ts';
import { openDaemonLog } from '../src/daemon/log.ts';
import { runDaemon } from '../src/daemon/run.ts';
import { Installer } from '../src/node/installer.ts';
import { formatHelp, parseOptions } from '../src/node/options.ts';

const options = readCommandLine(parseOptions, formatHelp);
const log = openDaemonLog();
const installer = new Installer(options, log);
if (options.isOnce) process.exit(installer.keep() ? 0 : 1);
await runDaemon('The installer', log, () => Promise.resolve(installer.start()));
