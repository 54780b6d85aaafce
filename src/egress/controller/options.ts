import { daemonLogLevels } from '../../base/daemon/log.ts';
import { type LogFormat, readLogFormat } from '../../base/daemon/log-format.ts';
import { type Environment, OptionReader } from '../../base/daemon/reader.ts';
import { formatPrefix, networkOf, type Prefix, parseAddress, parsePrefix } from '../../base/model/address.ts';
import { durationCure, parseDuration } from '../../base/read/duration.ts';
import { isHostName, isLabelName, isName } from '../../base/read/object-meta.ts';
import { parsePort } from '../../base/read/parse-port.ts';
import type { RuleBackendChoice } from '../../base/rules/transaction.ts';
import { parseSuffixes, suffixesCure } from '../api/dns-name.ts';
import { defaultLog, logLevels } from '../api/log-settings.ts';
import type { LogLevel } from '../model/attachment.ts';
import type { ObjectSettings } from './objects/configuration.ts';
import { type OptionName, optionTable } from './option-table.ts';

/** Settings from the command line and the environment. */
export interface ControllerOptions {
  /** Settings of the routers' objects. Without an image, that of {@link podName}. */
  readonly objects: Omit<ObjectSettings, 'image'> & { readonly image?: string };
  /** How routers of IngressControllers are created. Absent: they are not. */
  readonly ingressControllers?: {
    /** Domain of IngressControllers that name none. */
    readonly domain: string | undefined;
    /** Whether the IngressController `default` is created if it does not exist. */
    readonly createsDefault: boolean;
    /** Networks that revocation lists are downloaded from. Absent: any outside the cluster. */
    readonly listNetworks?: readonly Prefix[];
  };
  /** The pod that this process runs in. */
  readonly podName?: string;
  /** Path of a kubeconfig. Absent: the pod's service account. */
  readonly kubeconfig?: string;
  readonly lease: {
    readonly namespace: string;
    readonly name: string;
    /** Seconds. */
    readonly duration: number;
  };
  readonly listen?: { readonly address: string; readonly port: number };
  readonly logLevel: string;
  readonly logFormat: LogFormat;
}

const backends: readonly RuleBackendChoice[] = ['auto', 'iptables', 'nftables'];

const networksCure = 'must be networks separated by commas, for example "10.128.0.0/14"';

/**
 * Reads flags and, for those not given, environment variables. Returns undefined for --help. Throws an OptionsError
 * that names every invalid option, its value and what was expected.
 */
export function parseOptions(args: readonly string[], environment: Environment): ControllerOptions | undefined {
  const reader = new OptionReader(optionTable, args, environment);
  if (reader.isSet('help')) return undefined;
  const image = reader.read('image', parseImage, 'must be the name of an image');
  const podName = reader.read('pod-name', (text) => (isName(text) ? text : undefined), 'must be the name of a pod');
  if (image === undefined && podName === undefined && reader.problems.length === 0) {
    reader.problems.push('--image is missing: set the image that contains this program, or --pod-name');
  }
  const domain = reader.read(
    'ingress-domain',
    (text) => (isHostName(text) ? text.toLowerCase() : undefined),
    'must be a domain',
  );
  const kubeconfig = reader.read('kubeconfig', (text) => text);
  const port = reader.read(
    'listen-port',
    (text) => (text === '0' ? 0 : parsePort(text)),
    'must be a port, or 0 to disable it',
  );
  const address = reader.read('listen-address', (text) => parseAddress(text)?.text, 'must be an address of this host');
  const listNetworks = reader.read('client-crl-networks', parseNetworks, networksCure);
  const options: ControllerOptions = {
    objects: { ...readObjectSettings(reader), ...(image !== undefined && { image }) },
    ...(reader.isSet('ingress-controllers') && {
      ingressControllers: {
        domain,
        createsDefault: !reader.isSet('disable-default-ingress-controller'),
        ...(listNetworks !== undefined && { listNetworks }),
      },
    }),
    ...(podName !== undefined && { podName }),
    ...(kubeconfig !== undefined && { kubeconfig }),
    lease: {
      namespace: reader.read('lease-namespace', parseName, 'must be a namespace') ?? 'default',
      name: reader.read('lease-name', parseName, 'must be lower-case letters, digits and "-"') ?? '',
      duration: (reader.read('lease-duration', parseDuration, durationCure) ?? 0) / 1000,
    },
    ...(port !== undefined && port !== 0 && address !== undefined && { listen: { address, port } }),
    logFormat: readLogFormat(reader),
    logLevel:
      reader.read('log-level', oneOf(daemonLogLevels), `must be one of ${daemonLogLevels.join(', ')}`) ?? 'info',
  };
  reader.finish();
  return options;
}

function readObjectSettings(reader: OptionReader<OptionName>): Omit<ObjectSettings, 'image'> {
  const time = reader.read('node-failure-time', parseWholeSeconds, `${durationCure}, in whole seconds`);
  const level = reader.read('router-log-level', oneOf<LogLevel>(logLevels), `must be one of ${logLevels.join(', ')}`);
  return {
    clusterNetworks: reader.read('cluster-networks', parseNetworks, networksCure) ?? [],
    ruleBackend: reader.read('rule-backend', oneOf(backends), `must be one of ${backends.join(', ')}`) ?? 'auto',
    log: { ...defaultLog, level: level ?? defaultLog.level },
    allowedNames: reader.read('allow-names', parseSuffixes, suffixesCure) ?? [],
    nodeFailureSeconds: time ?? 30,
    liveTimeout: reader.read('live-change-timeout', parseDuration, durationCure) ?? 0,
    hasDefaultRouteAnnotation: reader.isSet('default-route-annotation'),
    nodeSelector: reader.read('node-selector', parseLabels, 'must be labels, for example "zone=a,egress="') ?? {},
  };
}

function oneOf<Word extends string>(words: readonly Word[]): (text: string) => Word | undefined {
  return (text) => words.find((word) => word === text);
}

/** Validates an image name as far as a command line can; registries have their own rules. */
function parseImage(text: string): string | undefined {
  return /^[a-zA-Z0-9][\w.:/@-]{0,511}$/.test(text) ? text : undefined;
}

function parseName(text: string): string | undefined {
  return isLabelName(text) ? text : undefined;
}

function parseWholeSeconds(text: string): number | undefined {
  if (text === '0') return 0;
  const milliseconds = parseDuration(text);
  return milliseconds !== undefined && milliseconds % 1000 === 0 ? milliseconds / 1000 : undefined;
}

function parseNetworks(text: string): readonly Prefix[] | undefined {
  const networks = new Map<string, Prefix>();
  for (const word of text.split(',')) {
    const prefix = parsePrefix(word.trim());
    if (prefix === undefined || prefix.length === 0) return undefined;
    const network = networkOf(prefix);
    networks.set(formatPrefix(network), network);
  }
  return [...networks.values()];
}

function parseLabels(text: string): Readonly<Record<string, string>> | undefined {
  const labels: Record<string, string> = {};
  for (const word of text.split(',')) {
    const [, key, value] = /^((?:[a-z0-9.-]{1,253}\/)?[\w.-]{1,63})=([\w.-]{0,63})$/i.exec(word.trim()) ?? [];
    if (key === undefined || value === undefined) return undefined;
    labels[key] = value;
  }
  return labels;
}
