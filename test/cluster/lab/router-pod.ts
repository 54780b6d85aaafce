import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { places } from '../../../src/ingress/operator/names.ts';
import { mountPaths } from '../../../src/ingress/operator/variables/paths.ts';
import type { KubeObject } from './api-server.ts';
import type { OperatorLab } from './operator-lab.ts';

/** A container of a router's pod template, as far as tests run it. */
interface Container {
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[];
}

/** Added to both containers: they end without a delay. */
export const noDelay = { ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms' };

/** What a test runs of a router's pod. */
export interface RouterPod {
  /** Commands of the containers `router` and `haproxy`. */
  readonly router: readonly string[];
  readonly haproxy: readonly string[];
  /** Variables of the container `router`, with paths of this machine. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where a path of the pod is here. */
  readonly place: (path: string) => string;
}

/** Writes the files of the volumes of a router's pod into a folder, and returns its containers. */
export function mountPod(lab: OperatorLab, name: string, folder: string): RouterPod {
  const place = (path: string) => join(folder, name, path);
  const write = (path: string, data: unknown, isSecret: boolean) => {
    for (const [key, value] of Object.entries((data ?? {}) as Record<string, string>)) {
      const file = place(`${path}/${key}`);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, isSecret ? Buffer.from(value, 'base64') : value);
    }
  };
  write(mountPaths.certificate, lab.router('secrets', `router-certs-${name}`)?.data, true);
  write(mountPaths.metricsCertificate, lab.router('secrets', `router-metrics-certs-${name}`)?.data, true);
  write(mountPaths.stats, lab.router('secrets', `router-stats-${name}`)?.data, true);
  write(mountPaths.services, lab.router('configMaps', 'service-ca-bundle')?.data, false);
  write(mountPaths.clientAuthorities, lab.router('configMaps', `router-client-ca-${name}`)?.data, false);
  write(mountPaths.errorPages, lab.router('configMaps', `${name}-errorpages`)?.data, false);
  const { spec } = lab.router('deployments', `router-${name}`) as KubeObject & {
    spec: { template: { spec: { containers: readonly Container[] } } };
  };
  const [router, haproxy] = spec.template.spec.containers as readonly [Container, Container];
  const environment = Object.fromEntries(
    (router.env ?? []).map(({ name: variable, value = '' }) => [
      variable,
      value.startsWith('/') ? place(value) : value,
    ]),
  );
  return {
    router: router.command,
    haproxy: haproxy.command,
    environment: {
      ...environment,
      NODE_NAME: 'n1',
      POD_NAMESPACE: places.routers,
      ...noDelay,
    },
    place,
  };
}
