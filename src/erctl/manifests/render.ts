import type { Address, Family } from '../../base/model/address.ts';
import type { RedirectSet } from '../../base/model/redirect.ts';
import { compareIptables } from '../../base/rules/iptables/difference.ts';
import { compareNftables } from '../../base/rules/nftables/difference.ts';
import type { RuleBackend } from '../../base/rules/transaction.ts';
import type { EgressRouterSpec } from '../../egress/api/egress-router.ts';
import { defaultLog } from '../../egress/api/log-settings.ts';
import { memberKeyOf } from '../../egress/api/member-key.ts';
import { writeNetConf } from '../../egress/api/net-conf-writer.ts';
import { compileEgress } from '../../egress/plan/rules.ts';
import type { RenderedRouter } from './render-document.ts';
import type { Written } from './written.ts';

/** Settings that a file does not contain and a node would determine. */
export interface RenderSettings {
  /** The interface that clients use. */
  readonly podInterface: string;
  /** The router's interface. */
  readonly interface: string;
  /** Absent: no rules. */
  readonly backend?: RuleBackend;
  readonly withDefinition: boolean;
}

/** Names of the objects that the Cluster Network Operator creates. */
const definitionName = 'egress-router-cni-nad';

/** Renders the routers of a document: their NetworkAttachmentDefinitions and the rules in their pods. */
export function renderRouters(written: Written, settings: RenderSettings): RenderedRouter[] {
  if (written.kind === 'net-conf')
    return written.read.ok ? [renderRouter(written.title, written.read.value, settings)] : [];
  if (written.kind !== 'egress-router' || !written.read.ok) return [];
  const pool = written.read.value;
  return pool.map((spec, index) => ({
    ...renderRouter(pool.length === 1 ? written.title : `${written.title}, ${listAddresses(spec)}`, spec, settings),
    ...(settings.withDefinition && { definition: makeDefinition(written.namespace, spec, index) }),
  }));
}

function renderRouter(
  title: string,
  { reserved, redirects }: Pick<EgressRouterSpec, 'reserved' | 'redirects'>,
  settings: RenderSettings,
): RenderedRouter {
  const addresses = reserved.map(({ prefix }) => prefix.address);
  return {
    title,
    scripts: settings.backend === undefined ? [] : renderRules(settings.backend, addresses, redirects, settings),
  };
}

/** Builds the definition as the Cluster Network Operator does, plus the interface settings that it omits. */
function makeDefinition(
  namespace: string | undefined,
  spec: EgressRouterSpec,
  index: number,
): RenderedRouter['definition'] {
  const settings = { clusterNetworks: [], ruleBackend: 'auto', log: defaultLog } as const;
  // Like the controller, which gives one router of a pool the plain name.
  const name = index === 0 ? definitionName : `${definitionName}-${memberKeyOf(spec)}`;
  return {
    apiVersion: 'k8s.cni.cncf.io/v1',
    kind: 'NetworkAttachmentDefinition',
    metadata: { ...(namespace !== undefined && { namespace }), name },
    spec: { config: JSON.stringify(writeNetConf(name, spec, settings), undefined, 2) },
  };
}

function listAddresses({ reserved }: EgressRouterSpec): string {
  return reserved.map(({ prefix }) => prefix.address.text).join(' and ');
}

function renderRules(
  backend: RuleBackend,
  reserved: readonly Address[],
  redirects: RedirectSet,
  settings: RenderSettings,
) {
  const families = reserved.map(({ family }) => family);
  const program = compileEgress({
    owner: 'CONTAINER',
    egressLink: settings.interface,
    podLinks: Object.fromEntries(families.map((family): [Family, string] => [family, settings.podInterface])),
    reserved,
    redirects,
    slot: 1,
  });
  const { scripts } =
    backend === 'nftables' ? compareNftables(undefined, program) : compareIptables(undefined, program);
  return scripts.map(({ tool, input }) => ({ tool, input }));
}
