import { defaultPolicy } from '../../../../src/ingress/claims/policy.ts';
import { Inventory } from '../../../../src/ingress/objects/inventory.ts';
import { readObject } from '../../../../src/ingress/objects/kinds.ts';
import { MemoryKernel } from '../../../../src/ingress/ports/kernel-api.ts';
import { ListenerWatch } from '../../../../src/ingress/ports/listeners.ts';
import { type PortParts, PortPlane, type PortSettings } from '../../../../src/ingress/ports/port-plane.ts';
import { AgentMetrics } from '../../../../src/ingress/status/metrics.ts';
import { silentLog } from '../../../lab/silent-log.ts';

/** A data plane of ports that is driven by hand. */
export function startPlane(settings: Partial<PortSettings> = {}, parts: Partial<PortParts> = {}) {
  const inventory = new Inventory();
  const kernel = new MemoryKernel();
  const metrics = new AgentMetrics();
  const problems = new Map<string, string>();
  let now = 0;
  let listening: ReadonlySet<string> = new Set();
  const plane = new PortPlane(
    {
      name: 'ingress',
      node: 'n1',
      policy: defaultPolicy,
      defaults: { balance: 'source' },
      checkInterval: 0,
      syncInterval: 0,
      ...settings,
    },
    {
      inventory,
      kernel,
      log: silentLog,
      metrics,
      listeners: new ListenerWatch(
        () => listening,
        () => now,
      ),
      nodeAddresses: () => ['192.0.2.10'],
      ...parts,
    },
  );
  plane.start({
    requestSync: () => undefined,
    requestSyncs: () => undefined,
    requestReport: () => undefined,
    report: (place, problem) => void (problem === undefined ? problems.delete(place) : problems.set(place, problem)),
  });
  const put = (...objects: readonly unknown[]): void => {
    for (const object of objects) {
      const reading = readObject(object);
      if (reading.outcome !== 'object')
        throw new Error(`Cannot read the object of this test: ${JSON.stringify(reading)}`);
      inventory.put(reading.object);
    }
  };
  return {
    plane,
    kernel,
    metrics,
    inventory,
    problems,
    put,
    /** Time passes, and these ports have listeners. */
    pass: (milliseconds: number, ...ports: readonly string[]) => {
      now += milliseconds;
      listening = new Set(ports);
    },
    verdicts: () => plane.report().verdicts.map(({ meta, reason = 'Admitted' }) => `${meta.name} ${reason}`),
  };
}
