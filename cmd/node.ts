#!/usr/bin/env node
import { readCommandLine } from '../src/base/daemon/command-line.ts';
import { openDaemonLog } from '../src/base/daemon/log.ts';
import { runDaemon } from '../src/base/daemon/run.ts';
/** The node daemon: installs the plugin, applies changed redirects to running routers, and measures them. */
import { openKubeApi } from '../src/base/kubernetes/client.ts';
import { stateFolder } from '../src/base/linux/run-folder.ts';
import { startNode } from '../src/egress/node/daemon.ts';
import { LinuxRouters } from '../src/egress/node/linux-routers.ts';
import { LinuxWires } from '../src/egress/node/linux-wires.ts';
import { formatNodeHelp, parseNodeOptions } from '../src/egress/node/node-options.ts';

const options = readCommandLine(parseNodeOptions, formatNodeHelp);
const log = openDaemonLog(options.logLevel, options.logFormat);
await runDaemon('The node daemon', log, () =>
  startNode(options, {
    api: openKubeApi(options.kubeconfig),
    routers: new LinuxRouters(),
    wires: new LinuxWires(log),
    log,
    stateFolder,
  }),
);
