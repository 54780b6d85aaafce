import { isAbsolute } from 'node:path';
import { durationCure, parseDuration } from '../api/duration.ts';
import { type Environment, OptionReader } from '../daemon/reader.ts';
import { defineOptions, formatOptionHelp } from '../daemon/table.ts';
import type { Installation } from './install.ts';

/** Every option, in the order of `--help`. */
export const optionTable = defineOptions({
  source: {
    value: 'FILE',
    help: 'the executable to be installed',
    variable: 'CNI_SOURCE',
    initial: '/usr/local/bin/egress-router',
  },
  target: {
    value: 'DIR',
    help: "the node's folder of CNI plugins, as it is mounted here",
    variable: 'CNI_TARGET',
    initial: '/host/opt/cni/bin',
  },
  name: { value: 'NAME', help: 'its name there', variable: 'CNI_NAME', initial: 'egress-router' },
  interval: {
    value: 'TIME',
    help: 'time between two looks whether it is still there (us ms s m h d, none: ms)',
    variable: 'CNI_INTERVAL',
    initial: '30s',
  },
  once: { help: 'install and end' },
  'uninstall-on-exit': { help: 'take it away at the end', variable: 'CNI_UNINSTALL_ON_EXIT' },
  help: { help: 'show this' },
});

/** What the command line and the environment ask for. */
export interface InstallOptions {
  readonly installation: Installation;
  /** Milliseconds. */
  readonly interval: number;
  readonly isOnce: boolean;
  readonly uninstallsOnExit: boolean;
}

/** The text of `--help`. */
export function formatHelp(): string {
  const head = ['Usage: install-cni [OPTION]...', '', 'Puts the CNI plugin into a node, and keeps it there.'];
  return formatOptionHelp(head, optionTable);
}

/** Reads flags, and for those not given environment variables. Undefined when help was asked for. Throws an OptionsError. */
export function parseOptions(args: readonly string[], environment: Environment): InstallOptions | undefined {
  const reader = new OptionReader(optionTable, args, environment);
  if (reader.isSet('help')) return undefined;
  const path = (text: string) => (isAbsolute(text) ? text : undefined);
  const options = {
    installation: {
      source: reader.read('source', path, 'must be an absolute path') ?? '',
      target: reader.read('target', path, 'must be an absolute path') ?? '',
      name:
        reader.read(
          'name',
          (text) => (/^[a-z0-9][\w.-]{0,63}$/.test(text) ? text : undefined),
          'must be a file name',
        ) ?? '',
    },
    interval: reader.read('interval', parseDuration, durationCure) ?? 0,
    isOnce: reader.isSet('once'),
    uninstallsOnExit: reader.isSet('uninstall-on-exit'),
  };
  reader.finish();
  return options;
}
