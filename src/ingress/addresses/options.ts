import { daemonLogLevels } from '../../base/daemon/log.ts';
import { type Environment, OptionReader } from '../../base/daemon/reader.ts';
import { defineOptions, formatOptionHelp } from '../../base/daemon/table.ts';
import { durationCure, parseDuration } from '../../base/read/duration.ts';
import { addressesFolder } from './documents.ts';

const addressesOptionTable = defineOptions({
  directory: { value: 'DIR', help: 'folder of wanted.json, keys.json and state.json', initial: addressesFolder },
  'share-delay': {
    value: 'TIME',
    help: 'how long a returning node must be ready before it gets addresses back',
    initial: '10s',
  },
  'drain-timeout': {
    value: 'TIME',
    help: 'how long to serve connections of addresses that another node holds',
    initial: '1h',
  },
  'log-level': { value: 'LEVEL', help: 'level of the log: debug, info, warn or error', initial: 'info' },
  help: { help: 'print this help' },
});

/** Options of `ingress-addresses`. Times are in milliseconds. */
export interface AddressOptions {
  readonly directory: string;
  readonly shareDelay: number;
  readonly drainTimeout: number;
  readonly logLevel: string;
}

/** Reads the options. Returns undefined for --help. Throws an OptionsError. */
export function parseAddressOptions(args: readonly string[], environment: Environment): AddressOptions | undefined {
  const reader = new OptionReader(addressesOptionTable, args, environment);
  if (reader.isSet('help')) return undefined;
  const time = (name: 'share-delay' | 'drain-timeout') => reader.read(name, parseDuration, durationCure) ?? 0;
  const options = {
    directory: reader.read('directory', (text) => text) ?? addressesFolder,
    shareDelay: time('share-delay'),
    drainTimeout: time('drain-timeout'),
    logLevel:
      reader.read('log-level', (text) => daemonLogLevels.find((level) => level === text), 'must be a level') ?? 'info',
  };
  reader.finish();
  return options;
}

export function formatAddressHelp(): string {
  return formatOptionHelp(
    [
      'Usage: ingress-addresses [OPTION]...',
      'Holds virtual addresses for the ingress agent: elects a node for each address, and hands it over on planned moves.',
    ],
    addressesOptionTable,
  );
}
