#!/usr/bin/env node
/** Installs the CNI plugin on a node and keeps it installed. */
import { readCommandLine } from '../src/base/daemon/command-line.ts';
import { openDaemonLog } from '../src/base/daemon/log.ts';
import { runDaemon } from '../src/base/daemon/run.ts';
import { Installer } from '../src/egress/node/installer.ts';
import { formatHelp, parseOptions } from '../src/egress/node/options.ts';

const options = readCommandLine(parseOptions, formatHelp);
const log = openDaemonLog('info', options.logFormat);
const installer = new Installer(options, log);
if (options.isOnce) process.exit(installer.keep() ? 0 : 1);
await runDaemon('The installer', log, () => Promise.resolve(installer.start()));
