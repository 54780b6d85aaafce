import * as z from 'zod/mini';
import { type Family, formatPrefix, networkOf, type Prefix, parsePrefix } from '../../base/model/address.ts';
import { type LinkKind, linkModes } from '../../base/model/link-kind.ts';
import type { Parsed } from '../../base/model/problem.ts';
import { readChoice } from '../../base/read/choice.ts';
import { lazily } from '../../base/read/lazily.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord, type Readable, readShape } from '../../base/read/shape.ts';
import { text } from '../../base/read/text.ts';
import type { RuleBackendChoice } from '../../base/rules/transaction.ts';
import type { AttachmentSpec } from '../model/attachment.ts';
import { type EgressRouterSpec, readEgressRouter } from './egress-router.ts';
import { getInterfaceArgsSchema, type InterfaceArgs, readMaster, readMtu } from './interface-args.ts';
import { getIpSchema, readIpSection } from './ip-section.ts';
import { logLevels, readLogSettings } from './log-settings.ts';
import { getArgsSchema, getRuntimeConfigSchema, readMac } from './runtime-config.ts';

const ruleBackends: readonly RuleBackendChoice[] = ['auto', 'iptables', 'nftables'];

/** The plugin's own keys. */
export const getNetConfSchema = lazily(() =>
  z.object(
    {
      name: text('must be the name of the network'),
      interfaceType: z.nullish(text('must be "macvlan"')),
      interfaceArgs: z.nullish(getInterfaceArgsSchema()),
      ip: z.nullish(getIpSchema()),
      // readEgressRouter parses it, because it may be the whole object or its spec.
      egressRouter: z.unknown(),
      clusterNetworks: z.nullish(
        z.array(text('must be a network such as "10.128.0.0/14"'), 'must be a list of networks'),
      ),
      ruleBackend: z.nullish(text(`must be one of ${ruleBackends.join(', ')}`)),
      log_file: z.nullish(text('must be the absolute path of a file')),
      log_level: z.nullish(text(`must be one of ${logLevels.join(', ')}`)),
      runtimeConfig: z.nullish(getRuntimeConfigSchema()),
      args: z.nullish(getArgsSchema()),
    },
    'must be an object: the network configuration',
  ),
);

type NetConf = Readable<z.output<ReturnType<typeof getNetConfSchema>>>;

/**
 * Parses the plugin's network configuration (CNI spec 1.1.0 §1); returns the attachment or all problems.
 * Ignores unknown keys, as CNI requires, and treats `null` and empty strings as absent, because Go programs
 * write them for unset fields. `cniVersion` and `prevResult` are parsed elsewhere.
 *
 * @param mac MAC address from `CNI_ARGS`; the configuration overrides it
 * @param allowedSuffixes names inside the cluster that are allowed as destinations
 */
export function parseNetConf(
  input: unknown,
  mac?: string,
  allowedSuffixes: readonly string[] = [],
): Parsed<AttachmentSpec> {
  const problems = new ProblemList();
  const conf = readShape(getNetConfSchema(), input, '', problems) ?? {};
  if (conf.name !== undefined) checkName(conf.name, problems);
  const router = readRouter(input, conf, problems, allowedSuffixes);
  const link = readLink(conf, router, problems);
  const finalMac = readMac(conf.runtimeConfig, conf.args, mac, problems);
  const clusterNetworks = readClusterNetworks(conf.clusterNetworks ?? [], problems);
  const ruleBackend = readChoice(conf.ruleBackend, ruleBackends, 'auto', 'ruleBackend', problems);
  const log = readLogSettings(conf.log_file, conf.log_level, problems);
  return problems.finish(() => ({
    network: conf.name ?? '',
    ...link,
    ...(finalMac !== undefined && { mac: finalMac }),
    reserved: router.reserved,
    redirects: router.redirects,
    clusterNetworks,
    ruleBackend,
    log,
  }));
}

/** Network names have the syntax of container IDs (CNI spec 1.1.0 §1). */
function checkName(name: string, problems: ProblemList): void {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name) && name.length <= 253) return;
  problems.add(
    'name',
    name,
    'must be a network name: letters, digits, "_", "." and "-", starting with a letter or digit',
  );
}

const nowhere: EgressRouterSpec = { reserved: [], redirects: { redirects: [], fallbacks: [] } };

function readRouter(
  input: unknown,
  conf: NetConf,
  problems: ProblemList,
  allowedSuffixes: readonly string[],
): EgressRouterSpec {
  const written = isRecord(input) ? input : {};
  const hasIp = (written.ip ?? undefined) !== undefined;
  const hasRouter = (written.egressRouter ?? undefined) !== undefined;
  if (hasIp && hasRouter) {
    problems.add('egressRouter', written.egressRouter, 'cannot be combined with "ip"; remove one of them');
  }
  if (!hasIp && !hasRouter && isRecord(input)) {
    problems.add('ip', undefined, 'is required unless "egressRouter" is set; a router needs a reserved address');
  }
  if (hasRouter) return readEgressRouter(written.egressRouter, 'egressRouter', problems, allowedSuffixes);
  return conf.ip === undefined ? nowhere : readIpSection(conf.ip, 'ip', problems, allowedSuffixes);
}

/** Merges the macvlan settings of interfaceArgs and the EgressRouter; contradictions are problems. */
function readLink(conf: NetConf, router: EgressRouterSpec, problems: ProblemList) {
  const args: InterfaceArgs = conf.interfaceArgs ?? {};
  const type = readChoice(conf.interfaceType, ['macvlan'], 'macvlan', 'interfaceType', problems);
  const master = readMaster(args.master, 'interfaceArgs.master', problems);
  const mode = readChoice(args.mode, linkModes[type], router.mode ?? 'bridge', 'interfaceArgs.mode', problems);
  if (router.mode !== undefined && mode !== router.mode) {
    problems.add(
      'interfaceArgs.mode',
      args.mode,
      `differs from the EgressRouter's "${router.mode}"; remove one of them`,
    );
  }
  if (router.master !== undefined && master !== undefined && master !== router.master) {
    problems.add(
      'interfaceArgs.master',
      master,
      `differs from the EgressRouter's "${router.master}"; remove one of them`,
    );
  }
  const families = router.reserved.map(({ prefix }): Family => prefix.address.family);
  const mtu = readMtu(args.mtu, families, 'interfaceArgs.mtu', problems);
  const finalMaster = router.master ?? master;
  const kind: LinkKind = { type, mode };
  return { kind, ...(finalMaster !== undefined && { master: finalMaster }), ...(mtu !== undefined && { mtu }) };
}

/** Clears host bits and drops duplicates, because the kernel rejects both. */
function readClusterNetworks(texts: readonly (string | undefined)[], problems: ProblemList): Prefix[] {
  const networks = new Map<string, Prefix>();
  for (const [index, text] of texts.entries()) {
    if (text === undefined) continue;
    const prefix = parsePrefix(text);
    if (prefix === undefined || prefix.length === 0) {
      problems.add(`clusterNetworks[${index}]`, text, 'must be a network with prefix length, such as "10.128.0.0/14"');
    } else {
      const network = networkOf(prefix);
      networks.set(formatPrefix(network), network);
    }
  }
  return [...networks.values()];
}
