import { existsSync, readFileSync } from 'node:fs';
import { it } from 'mocha';
import type { HttpNode } from '../../../lab/http-node.ts';
import { until } from '../../../until.ts';

/** What the status file says about an Ingress. */
export type IngressVerdict = readonly [name: string, admitted: boolean, message: RegExp];

/** An Ingress in the status file. */
interface Shown {
  readonly name: string;
  readonly admitted?: boolean;
  readonly message?: string;
  readonly status: { readonly loadBalancer: { readonly ingress: readonly object[] } };
}

/**
 * Defines a test for the verdict on each Ingress.
 *
 * @param hasAddresses whether the node has addresses for clients, which only Ingresses that are served list
 */
export function checkVerdicts(node: HttpNode, verdicts: readonly IngressVerdict[], hasAddresses = false): void {
  for (const [name, admitted, message] of verdicts) {
    it(`reports ${name} as ${admitted ? 'served' : 'rejected'}, with the reason`, async () => {
      const path = `${node.manifests}.status.json`;
      const read = (): Shown | undefined => {
        // The agent writes it after its first decision, and a verdict when HAProxy serves it.
        if (!existsSync(path)) return undefined;
        const { ingresses = [] } = JSON.parse(readFileSync(path, 'utf8')) as { readonly ingresses?: readonly Shown[] };
        return ingresses.find((one) => one.name === name);
      };
      const isSo = () => {
        const shown = read();
        if (shown?.admitted !== admitted || !message.test(shown.message ?? '')) return false;
        return shown.status.loadBalancer.ingress.length > 0 === (hasAddresses && admitted);
      };
      await until(isSo, () => [read(), node.log.slice(-2000)], 20_000);
    });
  }
}
