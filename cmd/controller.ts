#!/usr/bin/env node
import { readCommandLine } from '../src/base/daemon/command-line.ts';
import { openDaemonLog } from '../src/base/daemon/log.ts';
import { runDaemon } from '../src/base/daemon/run.ts';
/** The controller: reads its options, starts, and stops on a signal. */
import { openKubeApi } from '../src/base/kubernetes/client.ts';
import { startController } from '../src/egress/controller/daemon.ts';
import { formatHelp } from '../src/egress/controller/option-table.ts';
import { parseOptions } from '../src/egress/controller/options.ts';
import { openIngressOperator } from './ingress-operator.ts';

const options = readCommandLine(parseOptions, formatHelp);
const log = openDaemonLog(options.logLevel, options.logFormat);
const openCompanion = openIngressOperator(options.ingressControllers, options.objects.clusterNetworks);
await runDaemon('The controller', log, () =>
  startController(options, openKubeApi(options.kubeconfig), log, openCompanion),
);
