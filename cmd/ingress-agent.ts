#!/usr/bin/env node
/** The ingress agent: reads its options, starts, and ends on a signal. */
import { writeSync } from 'node:fs';
import pino from 'pino';
import { readCommandLine } from '../src/daemon/command-line.ts';
import { OptionsError } from '../src/daemon/reader.ts';
import { startDaemon } from '../src/ingress/daemon.ts';
import { formatHelp } from '../src/ingress/option-table.ts';
import { type AgentOptions, parseOptions } from '../src/ingress/options.ts';
import { MemoryKernel, type PortKernel } from '../src/ingress/ports/kernel.ts';
import { NftablesIngress } from '../src/kernel/linux/ingress/nftables-ingress.ts';

/** Wiring: what puts open ports in force on this node. */
function openKernel(options: AgentOptions): PortKernel {
  if (options.dryRun) return new MemoryKernel();
  const { ports, drainTime, strictAllowLists } = options;
  return new NftablesIngress({ name: ports.name, drainTime, isStrict: strictAllowLists });
}

const options = readCommandLine(parseOptions, formatHelp);
const log = pino(
  { level: options.logLevel, timestamp: pino.stdTimeFunctions.isoTime },
  pino.destination({ sync: true }),
);
try {
  const daemon = await startDaemon(options, openKernel(options), log, async (...words) => {
    // Loaded when it is needed: the client takes longer to load than all the rest.
    const { openCluster } = await import('../src/ingress/cluster.ts');
    return openCluster(...words);
  });
  log.info({ node: options.ports.node, manifests: options.manifests }, 'Ingress agent started');
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      void daemon.stop().finally(() => {
        log.info({ signal, rules: options.cleanupOnExit ? 'removed' : 'kept' }, 'Ingress agent stopped');
        process.exit(0);
      });
    });
  }
} catch (error) {
  log.error({ err: error }, 'Cannot start');
  writeSync(2, `${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(error instanceof OptionsError ? 2 : 1);
}
