#!/usr/bin/env node
/** The ingress agent: reads its options, starts, and ends on a signal. */
import { readCommandLine } from '../src/daemon/command-line.ts';
import { openDaemonLog } from '../src/daemon/log.ts';
import { runDaemon } from '../src/daemon/run.ts';
import { openCluster } from '../src/ingress/cluster.ts';
import { startDaemon } from '../src/ingress/daemon.ts';
import { formatHelp } from '../src/ingress/option-table.ts';
import { type AgentOptions, parseOptions } from '../src/ingress/options.ts';
import { type IngressDataPlane, MemoryDataPlane } from '../src/ingress/ports/data-plane.ts';
import { NftablesIngress } from '../src/kernel/linux/ingress/nftables-ingress.ts';

/** Wiring: what puts rules in force on this node. */
function openDataPlane(options: AgentOptions): IngressDataPlane {
  if (options.dryRun) return new MemoryDataPlane();
  return new NftablesIngress({ name: options.settings.name, drainTime: options.drainTime });
}

const options = readCommandLine(parseOptions, formatHelp);
const log = openDaemonLog(options.logLevel);
await runDaemon('The ingress agent', log, () =>
  startDaemon(options, openDataPlane(options), log, async (...words) => openCluster(...words)),
);
