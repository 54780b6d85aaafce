#!/usr/bin/env node
/** The first process of HAProxy's container: keeps HAProxy running for the ingress agent in another container. */
import { readCommandLine } from '../src/base/daemon/command-line.ts';
import { openDaemonLog } from '../src/base/daemon/log.ts';
import { runDaemon } from '../src/base/daemon/run.ts';
import { PodFolder } from '../src/ingress/handover/pod-folder.ts';
import { HaproxyKeeper } from '../src/ingress/haproxy/keeper.ts';
import { Peers } from '../src/ingress/haproxy/peers.ts';
import { formatKeeperHelp, parseKeeperOptions } from '../src/ingress/http/keeper-options.ts';

const options = readCommandLine(parseKeeperOptions, formatKeeperHelp);
const log = openDaemonLog(options.logLevel);
const start = async () => {
  const { podUid, directory: shared } = options;
  const folder = podUid === undefined ? undefined : await PodFolder.open(shared, podUid, 'keeper');
  const directory = folder?.path ?? shared;
  const keeper = new HaproxyKeeper({
    ...options,
    directory,
    ...(folder && { peers: new Peers(directory, () => folder.listOthers()) }),
    onProblem: (problem) => log.warn({}, problem),
  });
  await keeper.start();
  return {
    stop: async () => {
      await keeper.stop();
      await folder?.close();
    },
  };
};
await runDaemon('HAProxy’s keeper', log, start, 10_000 + options.shutdownDelay + options.shutdownTimeout);
