#!/usr/bin/env node
/** Holds virtual addresses on an ingress node, in its own container, so that a stalled agent cannot stall it. */
import { readCommandLine } from '../src/base/daemon/command-line.ts';
import { openDaemonLog } from '../src/base/daemon/log.ts';
import { runDaemon } from '../src/base/daemon/run.ts';
import { AddressDaemon } from '../src/ingress/addresses/daemon.ts';
import { formatAddressHelp, parseAddressOptions } from '../src/ingress/addresses/options.ts';

const options = readCommandLine(parseAddressOptions, formatAddressHelp);
const log = openDaemonLog(options.logLevel);
const start = async () => {
  const daemon = new AddressDaemon(options, log);
  daemon.start();
  return daemon;
};
await runDaemon('The holder of virtual addresses', log, start, options.drainTimeout + 30_000);
