#!/usr/bin/env node
/** Puts the CNI plugin into a node, and keeps it there. */
import { writeSync } from 'node:fs';
import pino from 'pino';
import { install, uninstall } from '../src/install/install.ts';
import { formatHelp, type InstallOptions, parseOptions } from '../src/install/options.ts';
import { OptionsError } from '../src/options/reader.ts';

function readOptions(): InstallOptions | undefined {
  try {
    return parseOptions(process.argv.slice(2), process.env);
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    writeSync(2, `${error.message}\n`);
    process.exit(2);
  }
}

const options = readOptions();
if (options === undefined) {
  writeSync(1, formatHelp());
  process.exit(0);
}
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
