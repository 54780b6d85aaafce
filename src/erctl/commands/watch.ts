import { type Command, InvalidArgumentError } from 'commander';
import { KernelError } from '../../base/linux/kernel-error.ts';
import { maxDuration } from '../../base/read/duration.ts';
import { compareSamples, type Sample } from '../../egress/inspect/watch.ts';
import type { WatchDocument } from '../../egress/inspect/watch-document.ts';
import { NamespaceInspector } from '../../egress/linux/inspection.ts';
import type { StateStore } from '../../egress/linux/kernel-api.ts';
import { openLinuxKernel } from '../../egress/linux/parts.ts';
import { FileStateStore } from '../../egress/linux/state/state-store.ts';
import type { AttachmentState } from '../../egress/model/state.ts';
import type { CommandContext } from '../context.ts';
import { ErctlError } from '../failure.ts';
import { renderJson } from '../json.ts';
import { renderTop } from '../screens/top.ts';
import { renderWatch } from '../screens/watch.ts';
import { findTarget, requireRoot, type Target, type TargetOptions } from '../target.ts';
import { type OutputFormat, withOutput, withTarget } from './options.ts';

interface WatchOptions extends TargetOptions {
  readonly output: OutputFormat;
  readonly interval: number;
  readonly count?: number;
}

/** Clears the terminal and moves the cursor to the upper left corner. */
const clear = '\u001b[H\u001b[J';
/** Lines of a frame that are not table rows. */
const frameLines = 4;

/** `erctl watch`: shows connections and bytes per second of each rule until interrupted. */
export function addWatch(program: Command, { console }: CommandContext): void {
  const command = withTarget(
    program
      .command('watch')
      .description('watch the traffic of a router: connections and bytes per second of each rule, the busiest first.'),
  )
    .option('--interval <seconds>', 'interval between samples', readSeconds, 2)
    .option('--count <number>', 'exit after this number of samples', readCount);
  withOutput(command, [
    ['watch', "the node's only router; Ctrl-C ends it"],
    ['watch --pod shop/egress-1 --interval 0.5', 'two samples per second'],
    ['watch --count 2 --output json', 'one line of JSON per sample, for programs'],
  ]).action(async (options: WatchOptions) => {
    const store = new FileStateStore();
    const target = findTarget(options, store);
    const states = listWatched(target, store);
    let before: Sample | undefined;
    for (let look = 1; ; look++) {
      const after = takeSample(target, states, store);
      const documents = states.map((state) => compareSamples(state, before, after));
      if (options.output === 'json') for (const document of documents) console.out(renderJson(document, 0));
      else {
        const rows = Math.max(3, Math.floor(console.rows / documents.length) - frameLines);
        const frames = documents.map((document) => renderWatch(document, console.screen, rows));
        console.out(`${console.isTerminal ? clear : ''}${frames.join('\n')}`);
      }
      if (look === options.count) return;
      before = after;
      await new Promise((resolve) => setTimeout(resolve, Math.min(maxDuration, options.interval * 1000)));
    }
  });
}

/** `erctl top`: shows the traffic of all routers of the node until interrupted. */
export function addTop(program: Command, { console }: CommandContext): void {
  const command = program
    .command('top')
    .description(
      'show the traffic of all egress routers of this node: connections and bytes per second, the busiest first.',
    )
    .option('--interval <seconds>', 'interval between samples', readSeconds, 2)
    .option('--count <number>', 'exit after this number of samples', readCount);
  withOutput(command, [
    ['top', 'Ctrl-C ends it'],
    ['top --count 2 --output json', 'one line of JSON per router and sample, for programs'],
  ]).action(async ({ interval, count, output }: Pick<WatchOptions, 'interval' | 'count' | 'output'>) => {
    requireRoot();
    const store = new FileStateStore();
    const before = new Map<number, Sample>();
    for (let look = 1; ; look++) {
      const documents = sampleAll(store, before);
      if (output === 'json') for (const document of documents) console.out(renderJson(document, 0));
      else {
        const rows = Math.max(3, console.rows - frameLines);
        console.out(`${console.isTerminal ? clear : ''}${renderTop(documents, console.screen, rows)}`);
      }
      if (look === count) return;
      await new Promise((resolve) => setTimeout(resolve, Math.min(maxDuration, interval * 1000)));
    }
  });
}

/** Samples each namespace once. Routers that end meanwhile are left out. */
function sampleAll(store: StateStore, before: Map<number, Sample>): WatchDocument[] {
  const bootId = store.bootId();
  const living = store.list().filter((state) => state.bootId === bootId);
  const documents: WatchDocument[] = [];
  for (const [inode, states] of Map.groupBy(living, ({ netns }) => netns.inode)) {
    const [first] = states;
    if (first === undefined) continue;
    try {
      const after = takeSample({ netns: first.netns.path, inode }, states, store);
      for (const state of states) documents.push(compareSamples(state, before.get(inode), after));
      before.set(inode, after);
    } catch (error) {
      if (!(error instanceof ErctlError || error instanceof KernelError)) throw error;
      before.delete(inode);
    }
  }
  return documents;
}

function listWatched(target: Target, store: StateStore): readonly AttachmentState[] {
  const bootId = store.bootId();
  const states = store
    .list()
    .filter((state) => state.netns.inode === target.inode && state.bootId === bootId)
    .filter((state) => target.link === undefined || state.link === target.link);
  if (states.length > 0) return states;
  throw new ErctlError(`No state file describes a router in ${target.netns}; run "erctl inspect" for details`);
}

/** Enters the namespace for each sample only, so that a DEL never waits for this process. */
function takeSample(target: Target, [state]: readonly AttachmentState[], store: StateStore): Sample {
  const kernel = openLinuxKernel(target.netns, state?.backend ?? 'auto', store);
  try {
    if (kernel.netns.inode !== target.inode)
      throw new ErctlError(`The network namespace ${target.netns} has been replaced: the pod has ended`);
    const inspector = new NamespaceInspector();
    try {
      return { flows: inspector.listFlows(), at: performance.now() };
    } finally {
      inspector.close();
    }
  } finally {
    kernel.close();
  }
}

function readSeconds(text: string): number {
  const seconds = /^\d{1,4}(?:\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  if (seconds < 0.1 || seconds > 3600) throw new InvalidArgumentError('Must be a number of seconds from 0.1 to 3600.');
  return seconds;
}

function readCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('Must be a whole number of at least 1.');
  return Number(text);
}
