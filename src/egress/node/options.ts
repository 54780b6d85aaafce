import { isAbsolute } from 'node:path';
import { daemonTable, type LogFormat, readLogFormat } from '../../base/daemon/log-format.ts';
import { type Environment, OptionReader } from '../../base/daemon/reader.ts';
import { defineOptions, formatOptionHelp } from '../../base/daemon/table.ts';
import { durationCure, parseDuration } from '../../base/read/duration.ts';
import type { InstallerSettings } from './installer.ts';

/** Options of what installs the plugin: alone, and as a part of the node's daemon. */
export const installTable = defineOptions({
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
    help: 'how often to check that the plugin is still installed',
    variable: 'CNI_INTERVAL',
    initial: '30s',
  },
  'uninstall-on-exit': {
    help: "remove it at the end, or after the last router's DEL",
    variable: 'CNI_UNINSTALL_ON_EXIT',
  },
});

/** Every option of `install-cni`, in the order of `--help`. */
export const optionTable = defineOptions({
  ...installTable,
  once: { help: 'install and end' },
  ...daemonTable,
  help: { help: 'show this' },
});

/** What the command line and the environment ask for. */
export interface InstallOptions extends InstallerSettings {
  readonly isOnce: boolean;
  readonly logFormat: LogFormat;
}

/** The text of `--help`. */
export function formatHelp(): string {
  const head = ['Usage: install-cni [OPTION]...', '', 'Installs the CNI plugin on a node, and keeps it there.'];
  return formatOptionHelp(head, optionTable);
}

/** Reads flags, and for those not given environment variables. Undefined when help was asked for. Throws an OptionsError. */
export function parseOptions(args: readonly string[], environment: Environment): InstallOptions | undefined {
  const reader = new OptionReader(optionTable, args, environment);
  if (reader.isSet('help')) return undefined;
  const options = { ...readInstallOptions(reader), isOnce: reader.isSet('once'), logFormat: readLogFormat(reader) };
  reader.finish();
  return options;
}

/** The options of {@link installTable}; what is wrong with them is in the reader. */
export function readInstallOptions(reader: OptionReader<keyof typeof installTable>): InstallerSettings {
  const path = (text: string) => (isAbsolute(text) ? text : undefined);
  const name = (text: string) => (/^[a-z0-9][\w.-]{0,63}$/.test(text) ? text : undefined);
  return {
    installation: {
      source: reader.read('source', path, 'must be an absolute path') ?? '',
      target: reader.read('target', path, 'must be an absolute path') ?? '',
      name: reader.read('name', name, 'must be a file name') ?? '',
    },
    interval: reader.read('interval', parseDuration, durationCure) ?? 0,
    uninstallsOnExit: reader.isSet('uninstall-on-exit'),
  };
}
