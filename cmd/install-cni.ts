#!/usr/bin/env node
/** Puts the CNI plugin into a node, and keeps it there. */
import pino from 'pino';
import { readCommandLine } from '../src/daemon/command-line.ts';
import { install, uninstall } from '../src/node/install.ts';
import { formatHelp, parseOptions } from '../src/node/options.ts';

const options = readCommandLine(parseOptions, formatHelp);
const { installation, interval, isOnce, uninstallsOnExit } = options;
const log = pino({ timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ sync: true }));
let problem: string | undefined;

/** Whether the plugin is in its place now. A problem is told once, until it is another. */
function keep(): boolean {
  try {
    if (install(installation) === 'installed') log.info(installation, 'The plugin was installed');
    problem = undefined;
    return true;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (message !== problem) log.error({ ...installation, problem: message }, 'The plugin cannot be installed');
    problem = message;
    return false;
  }
}

const isThere = keep();
if (isOnce) process.exit(isThere ? 0 : 1);
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    try {
      if (uninstallsOnExit) uninstall(installation);
    } catch (error) {
      log.error({ err: error }, 'The plugin cannot be removed');
    }
    process.exit(0);
  });
}
setInterval(keep, interval);
