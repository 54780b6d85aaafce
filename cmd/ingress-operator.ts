/** Wires the operator of IngressControllers into the controller's process. */
import { pause } from '../src/base/daemon/pause.ts';
import { hostPrefix, type Prefix, parseAddress } from '../src/base/model/address.ts';
import { describeError } from '../src/base/model/text.ts';
import { type CompanionParts, type OpenCompanion, StartRefusal } from '../src/egress/controller/daemon.ts';
import type { ControllerOptions } from '../src/egress/controller/options.ts';
import { isOpenShift, openShiftRefusal } from '../src/ingress/operator/openshift.ts';
import { IngressOperator } from '../src/ingress/operator/operator.ts';
import type { OperatorSettings } from '../src/ingress/operator/router-work.ts';
import type { IpMode } from '../src/ingress/operator/variables/model.ts';

/** Interval between questions to an API server that does not answer, in milliseconds. */
const retryInterval = 2000;

/** Returns how to open the operator; undefined if the options do not turn it on. */
export function openIngressOperator(
  settings: ControllerOptions['ingressControllers'],
  clusterNetworks: readonly Prefix[],
): OpenCompanion | undefined {
  if (settings === undefined) return undefined;
  const { domain, createsDefault, listNetworks } = settings;
  const downloads = restrictDownloads(clusterNetworks, listNetworks);
  return async (parts) => {
    if (await asksUntilKnown(parts)) throw new StartRefusal(openShiftRefusal);
    const { api, image, leadership, log } = parts;
    return new IngressOperator({
      api,
      leadership,
      log,
      settings: { image, ipMode: chooseIpMode(clusterNetworks), domain, createsDefault, downloads },
    });
  };
}

async function asksUntilKnown({ api, signal, log }: CompanionParts): Promise<boolean> {
  while (!signal.aborted) {
    try {
      return await isOpenShift(api, signal);
    } catch (error) {
      log.warn({ problem: describeError(error) }, 'Cannot find out whether this cluster is OpenShift; retrying');
      await pause(retryInterval, signal);
    }
  }
  return false;
}

function chooseIpMode(networks: readonly Prefix[]): IpMode {
  const families = new Set(networks.map(({ address }) => address.family));
  if (!families.has(6)) return 'v4';
  return families.has(4) ? 'v4v6' : 'v6';
}

/** The API server is never asked for a revocation list, and others in the cluster only if an option names them. */
function restrictDownloads(
  clusterNetworks: readonly Prefix[],
  allowed: readonly Prefix[] | undefined,
): OperatorSettings['downloads'] {
  const address = parseAddress(process.env.KUBERNETES_SERVICE_HOST ?? '');
  const apiServer = address === undefined ? [] : [hostPrefix(address)];
  return allowed === undefined ? { forbidden: [...clusterNetworks, ...apiServer] } : { forbidden: apiServer, allowed };
}
