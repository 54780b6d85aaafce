import { serviceKeyOf } from '../backends/endpoints.ts';
import type { SiteRequest } from '../intent/site-request.ts';
import { listFilters } from './demand-filters.ts';

/** Returns `NAMESPACE/NAME` of the Services and the Secret that a request uses. */
export function listUsed({ owner: { meta }, demand }: SiteRequest): readonly string[] {
  if (!demand.ok) return [];
  const { groups, tls } = demand.value;
  const secret = tls?.certificate?.from === 'secret' ? tls.certificate.name : undefined;
  return [
    ...groups.flatMap(({ shares }) => shares.map((share) => serviceKeyOf(share, meta.namespace))),
    ...listFilters(demand.value).flatMap(({ mirrors = [] }) =>
      mirrors.map(({ share }) => serviceKeyOf(share, meta.namespace)),
    ),
    ...(secret === undefined ? [] : [`${meta.namespace}/${secret}`]),
  ];
}
