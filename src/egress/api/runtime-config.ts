import * as z from 'zod/mini';
import { presentText } from '../../base/read/choice.ts';
import { lazily } from '../../base/read/lazily.ts';
import type { ProblemList } from '../../base/read/problem-list.ts';
import type { Readable } from '../../base/read/shape.ts';
import { text } from '../../base/read/text.ts';
import { macCure, parseMac } from './mac.ts';

/** `runtimeConfig`, filled by the runtime for plugins that declare the capability `mac`. */
export const getRuntimeConfigSchema = lazily(() => z.object({ mac: z.nullish(text(macCure)) }, 'must be an object'));

/** `args`: Multus puts a pod's `cni-args` into `args.cni` (CNI conventions). */
export const getArgsSchema = lazily(() => z.object({ cni: z.nullish(getRuntimeConfigSchema()) }, 'must be an object'));

/**
 * The MAC address that the interface should have; undefined: the kernel's choice. The runtime's own
 * word counts first, then the pod's arguments, then `CNI_ARGS`, which is the oldest way of all.
 */
export function readMac(
  runtimeConfig: Readable<z.output<ReturnType<typeof getRuntimeConfigSchema>>> | undefined,
  args: Readable<z.output<ReturnType<typeof getArgsSchema>>> | undefined,
  macOfEnvironment: string | undefined,
  problems: ProblemList,
): string | undefined {
  const ofRuntime = readOne(runtimeConfig?.mac, 'runtimeConfig.mac', problems);
  const ofArgs = readOne(args?.cni?.mac, 'args.cni.mac', problems);
  return ofRuntime ?? ofArgs ?? macOfEnvironment;
}

function readOne(text: string | undefined, path: string, problems: ProblemList): string | undefined {
  const present = presentText(text);
  if (present === undefined) return undefined;
  const mac = parseMac(present);
  if (mac === undefined) problems.add(path, text, macCure);
  return mac;
}
