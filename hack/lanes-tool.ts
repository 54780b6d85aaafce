import { glob, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { type LaneReport, printTotals, type Totals } from '../test/reporter.ts';
import { readTotals } from './lane-totals.ts';

/**
 * Runs all tests in two lanes at the same time, each in mount, PID and network namespaces of its own: many tests wait
 * for timers, so one lane leaves a machine with two cores half idle. Files of one lane run one after the other.
 */
const lanes = ['egress', 'ingress'] as const;

/** Both lanes take about the same time; those of erctl and the soak tests are in the one with fewer tests. */
function laneOf(path: string): (typeof lanes)[number] {
  return /^test\/(netns\/(ingress|erctl)|cluster\/ingress|soak)\//.test(path) ? 'ingress' : 'egress';
}

// New folders for what tests share on a machine, as on one that just started.
const enter = `
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/netns
mount -t tmpfs -o mode=1777 tmpfs /tmp
ip link set lo up
exec "$@"`;

async function run(lane: string, paths: readonly string[], totals: string): Promise<LaneReport> {
  const mocha = ['node_modules/.bin/node', 'node_modules/mocha/bin/mocha.js', ...paths];
  const unshare = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc', '--propagation', 'private'];
  const child = execa('unshare', [...unshare, 'bash', '-euc', enter, 'lane', ...mocha], {
    env: { TEST_TOTALS: totals, ...(process.stdout.isTTY && { FORCE_COLOR: '1' }) },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    buffer: false,
    reject: false,
  });
  const print = async (stream: NodeJS.ReadableStream): Promise<void> => {
    for await (const line of createInterface({ input: stream })) console.log(`${lane.padEnd(7)} | ${line}`);
  };
  const [result] = await Promise.all([child, print(child.stdout), print(child.stderr)]);
  return readTotals(lane, totals, result);
}

const all = await Array.fromAsync(glob('test/{unit,netns,cluster,soak}/**/*.test.ts'));
// The lanes have a /tmp of their own.
const folder = await mkdtemp(join(process.cwd(), 'node_modules', '.cache', 'totals-'));
try {
  const results = await Promise.allSettled(
    lanes.map((lane) => run(lane, all.filter((path) => laneOf(path) === lane).sort(), join(folder, lane))),
  );
  const totals: Totals = { passes: 0, failures: 0, pending: 0 };
  for (const result of results) {
    if (result.status === 'rejected') {
      console.error(result.reason instanceof Error ? result.reason.message : result.reason);
      totals.failures += 1;
      continue;
    }
    totals.passes += result.value.passes;
    totals.failures += result.value.failures;
    totals.pending += result.value.pending;
    // At the end, because the other lane may print thousands of lines after the failure.
    for (const { title, error } of result.value.failed) console.log(`Failed: ${title}\n${error}\n`);
  }
  console.log(printTotals(totals));
  process.exitCode = totals.failures === 0 ? 0 : 1;
} finally {
  await rm(folder, { recursive: true });
}
