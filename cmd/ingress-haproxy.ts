#!/usr/bin/env node
/** The first process of HAProxy's container: keeps HAProxy running for the ingress agent in another container. */
import { readCommandLine } from '../src/base/daemon/command-line.ts';
import { openDaemonLog } from '../src/base/daemon/log.ts';
import { runDaemon } from '../src/base/daemon/run.ts';
import { HaproxyKeeper } from '../src/ingress/haproxy/keeper.ts';
import { formatKeeperHelp, parseKeeperOptions } from '../src/ingress/http/keeper-options.ts';

const options = readCommandLine(parseKeeperOptions, formatKeeperHelp);
const log = openDaemonLog(options.logLevel);
const start = async () => {
  const keeper = new HaproxyKeeper({ ...options, onProblem: (problem) => log.warn({}, problem) });
  await keeper.start();
  return keeper;
};
await runDaemon('HAProxy’s keeper', log, start, 10_000 + options.shutdownDelay + options.shutdownTimeout);
