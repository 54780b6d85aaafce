import type { Address, Family } from '../../base/model/address.ts';
import type { RedirectSet } from '../../base/model/redirect.ts';
import { compareIptables } from '../../base/rules/iptables/difference.ts';
import { compareNftables } from '../../base/rules/nftables/difference.ts';
import type { RuleBackend } from '../../base/rules/transaction.ts';
import { defaultLog } from '../../egress/api/log-settings.ts';
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

/** Renders a router's document: its NetworkAttachmentDefinition and the rules in the pod. */
export function renderRouter(written: Written, settings: RenderSettings): RenderedRouter | undefined {
  if ((written.kind !== 'egress-router' && written.kind !== 'net-conf') || !written.read.ok) return undefined;
  const { reserved, redirects } = written.read.value;
  return {
    title: written.title,
    ...(settings.withDefinition && written.kind === 'egress-router' && { definition: makeDefinition(written) }),
    scripts:
      settings.backend === undefined
        ? []
        : renderRules(
            settings.backend,
            reserved.map(({ prefix }) => prefix.address),
            redirects,
            settings,
          ),
  };
}

/** Builds the definition as the Cluster Network Operator does, plus the interface settings that it omits. */
function makeDefinition({
  namespace,
  read,
}: Extract<Written, { kind: 'egress-router' }>): RenderedRouter['definition'] {
  if (!read.ok) return undefined;
  const settings = { clusterNetworks: [], ruleBackend: 'auto', log: defaultLog } as const;
  return {
    apiVersion: 'k8s.cni.cncf.io/v1',
    kind: 'NetworkAttachmentDefinition',
    metadata: { ...(namespace !== undefined && { namespace }), name: definitionName },
    spec: { config: JSON.stringify(writeNetConf(definitionName, read.value, settings), undefined, 2) },
  };
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
