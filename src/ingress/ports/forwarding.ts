import type { Family } from '../../base/model/address.ts';
import type { Forwarding, IngressPort } from './model.ts';

const settings = { 4: 'net.ipv4.ip_forward', 6: 'net.ipv6.conf.all.forwarding' } as const;

/** Returns the address families of endpoints for which IP forwarding is disabled on the node. */
export function listUnforwarded(
  ports: readonly IngressPort[],
  forwarding: Forwarding,
  own: ReadonlySet<string>,
): readonly Family[] {
  const off = ([4, 6] as const).filter((family) => !forwarding[family]);
  return off.filter((family) =>
    ports.some(({ endpoints }) =>
      endpoints.some(({ address, weight }) => weight > 0 && address.family === family && !own.has(address.text)),
    ),
  );
}

/** Returns the problem and its remedy, or undefined. The administrator owns the setting; the agent never changes it. */
export function describeUnforwarded(families: readonly Family[]): string | undefined {
  if (families.length === 0) return undefined;
  const names = families.map((family) => settings[family]);
  const verb = names.length === 1 ? 'is' : 'are';
  const cure = names.map((name) => `${name}=1`).join(' and ');
  return `${names.join(' and ')} ${verb} 0 on the node, so no connection reaches an endpoint; set ${cure}`;
}
