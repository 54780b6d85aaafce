import { addresses as at } from '../../../lab/names.ts';

/** Destinations of OpenShift's example, for one family. */
export function exampleDestinations(family: 4 | 6): string[] {
  return [`80 UDP ${at.datagrams[family]}`, `8080 TCP ${at.web[family]} 80`, `8443 TCP ${at.secure[family]} 443`];
}

/** A network configuration with the reserved addresses of these families. */
export function configure(
  families: readonly (4 | 6)[],
  ip: Readonly<Record<string, unknown>> = {},
  more: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  return {
    cniVersion: '1.1.0',
    name: 'erlab-net',
    type: 'egress-router',
    ip: {
      addresses: families.map((family) => `${at.reserved[family]}/${family === 4 ? 24 : 64}`),
      gateway: families.map((family) => at.gateway[family]),
      destinations: families.flatMap(exampleDestinations),
      ...ip,
    },
    ...more,
  };
}
