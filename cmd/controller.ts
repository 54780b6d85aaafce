#!/usr/bin/env node
/** The controller: reads its options, starts, and ends on a signal. */
import { writeSync } from 'node:fs';
import pino from 'pino';
import { startController } from '../src/controller/daemon.ts';
import { formatHelp } from '../src/controller/option-table.ts';
import { parseOptions } from '../src/controller/options.ts';
import { readCommandLine } from '../src/daemon/command-line.ts';

const options = readCommandLine(parseOptions, formatHelp);
const log = pino(
  { level: options.logLevel, timestamp: pino.stdTimeFunctions.isoTime },
  pino.destination({ sync: true }),
);
try {
  // Loaded when it is needed: the client takes longer to load than all the rest.
  const { openKubeApi } = await import('../src/cluster/client.ts');
  const daemon = await startController(options, openKubeApi(options.kubeconfig), log);
  log.info({}, 'The controller runs');
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      daemon.stop();
      log.info({ signal }, 'The controller ends');
      process.exit(0);
    });
  }
} catch (error) {
  log.error({ err: error }, 'Cannot start');
  writeSync(2, `${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
