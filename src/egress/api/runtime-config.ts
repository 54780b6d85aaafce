import * as z from 'zod/mini';
import { presentText } from '../../base/read/choice.ts';
import { lazily } from '../../base/read/lazily.ts';
import type { ProblemList } from '../../base/read/problem-list.ts';
import type { Readable } from '../../base/read/shape.ts';
import { text } from '../../base/read/text.ts';
import { macCure, parseMac } from './mac.ts';

/** Schema of `runtimeConfig`, which the runtime sets for plugins with the capability `mac`. */
export const getRuntimeConfigSchema = lazily(() => z.object({ mac: z.nullish(text(macCure)) }, 'must be an object'));

/** Schema of `args`; Multus copies a pod's `cni-args` into `args.cni` (CNI conventions). */
export const getArgsSchema = lazily(() => z.object({ cni: z.nullish(getRuntimeConfigSchema()) }, 'must be an object'));

/**
 * Returns the configured MAC address; undefined lets the kernel choose. Precedence: `runtimeConfig`, `args.cni`,
 * `CNI_ARGS`.
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
