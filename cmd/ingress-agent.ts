#!/usr/bin/env node
/** The ingress agent: reads its options, starts, and stops on a signal. */
import { readCommandLine } from '../src/base/daemon/command-line.ts';
import { openDaemonLog } from '../src/base/daemon/log.ts';
import { runDaemon } from '../src/base/daemon/run.ts';
import { openCluster } from '../src/ingress/agent/cluster.ts';
import { startDaemon } from '../src/ingress/agent/daemon.ts';
import { formatHelp } from '../src/ingress/agent/option-table.ts';
import { type AgentOptions, parseOptions, stopTimeoutOf } from '../src/ingress/agent/options.ts';
import { unservedVariables } from '../src/ingress/http/option-table.ts';
import { MemoryKernel, type PortKernel } from '../src/ingress/ports/kernel-api.ts';
import { NftablesIngress } from '../src/ingress/ports/linux/nftables-ingress.ts';

/** Opens the kernel interface that applies ports on this node. */
function openKernel(options: AgentOptions): PortKernel {
  if (options.dryRun) return new MemoryKernel();
  const { ports, drainTime, strictAllowLists } = options;
  return new NftablesIngress({ name: ports.name, drainTime, isStrict: strictAllowLists });
}

const options = readCommandLine(parseOptions, formatHelp);
const log = openDaemonLog(options.logLevel, options.logFormat);
for (const [variable, reason] of Object.entries(unservedVariables)) {
  if (process.env[variable]) log.warn({ variable, reason }, 'Variable has no effect');
}
for (const warning of options.warnings) log.warn({}, warning);
const start = () => startDaemon(options, openKernel(options), log, async (...words) => openCluster(...words));
await runDaemon('The ingress agent', log, start, stopTimeoutOf(options));
