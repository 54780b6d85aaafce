#!/usr/bin/env node
/** The daemon of a node: installs the plugin, applies changed redirects to living routers, measures them. */
import { openKubeApi } from '../src/cluster/client.ts';
import { readCommandLine } from '../src/daemon/command-line.ts';
import { openDaemonLog } from '../src/daemon/log.ts';
import { runDaemon } from '../src/daemon/run.ts';
import { stateFolder } from '../src/kernel/linux/state/folder.ts';
import { startNode } from '../src/node/daemon.ts';
import { LinuxRouters } from '../src/node/linux-routers.ts';
import { formatNodeHelp, parseNodeOptions } from '../src/node/node-options.ts';

const options = readCommandLine(parseNodeOptions, formatNodeHelp);
const log = openDaemonLog(options.logLevel);
await runDaemon('The node daemon', log, () =>
  startNode(options, { api: openKubeApi(options.kubeconfig), routers: new LinuxRouters(), log, stateFolder }),
);
