import { isAbsolute } from 'node:path';
import { daemonTable, type LogFormat, readLogFormat } from '../../base/daemon/log-format.ts';
import { type Environment, OptionReader } from '../../base/daemon/reader.ts';
import { defineOptions, formatOptionHelp } from '../../base/daemon/table.ts';
import { durationCure, parseDuration } from '../../base/read/duration.ts';
import type { InstallerSettings } from './installer.ts';

/** Options of the plugin's installation, in `install-cni` and in the node daemon. */
export const installTable = defineOptions({
  source: {
    value: 'FILE',
    help: 'executable to install',
    variable: 'CNI_SOURCE',
    initial: '/usr/local/bin/egress-router',
  },
  target: {
    value: 'DIR',
    help: "mount point of the node's CNI plugin folder",
    variable: 'CNI_TARGET',
    initial: '/host/opt/cni/bin',
  },
  name: { value: 'NAME', help: 'file name of the installed plugin', variable: 'CNI_NAME', initial: 'egress-router' },
  interval: {
    value: 'TIME',
    help: 'how often to check that the plugin is still installed',
    variable: 'CNI_INTERVAL',
    initial: '30s',
  },
  'uninstall-on-exit': {
    help: "remove the plugin on exit, or after the last router's DEL",
    variable: 'CNI_UNINSTALL_ON_EXIT',
  },
});

/** Every option of `install-cni`, in the order of `--help`. */
export const optionTable = defineOptions({
  ...installTable,
  once: { help: 'install the plugin and exit' },
  ...daemonTable,
  help: { help: 'print this help' },
});

/** Settings from the command line and the environment. */
export interface InstallOptions extends InstallerSettings {
  readonly isOnce: boolean;
  readonly logFormat: LogFormat;
}

/** The text of `--help`. */
export function formatHelp(): string {
  const head = ['Usage: install-cni [OPTION]...', '', 'Installs the CNI plugin on a node and keeps it installed.'];
  return formatOptionHelp(head, optionTable);
}

/**
 * Reads flags and, for those not given, environment variables. Returns undefined for --help. Throws an OptionsError.
 */
export function parseOptions(args: readonly string[], environment: Environment): InstallOptions | undefined {
  const reader = new OptionReader(optionTable, args, environment);
  if (reader.isSet('help')) return undefined;
  const options = { ...readInstallOptions(reader), isOnce: reader.isSet('once'), logFormat: readLogFormat(reader) };
  reader.finish();
  return options;
}

/** Reads the options of {@link installTable}. The reader collects problems. */
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
