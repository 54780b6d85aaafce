#!/usr/bin/env node
/** The controller: reads its options, starts, and ends on a signal. */
import { openKubeApi } from '../src/cluster/client.ts';
import { startController } from '../src/controller/daemon.ts';
import { formatHelp } from '../src/controller/option-table.ts';
import { parseOptions } from '../src/controller/options.ts';
import { readCommandLine } from '../src/daemon/command-line.ts';
import { openDaemonLog } from '../src/daemon/log.ts';
import { runDaemon } from '../src/daemon/run.ts';

const options = readCommandLine(parseOptions, formatHelp);
const log = openDaemonLog(options.logLevel);
await runDaemon('The controller', log, () => startController(options, openKubeApi(options.kubeconfig), log));
