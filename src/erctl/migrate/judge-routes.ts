import { formatProblem } from '../../base/model/problem.ts';
import { decideHosts, type RefusedHost } from '../../ingress/claims/hosts.ts';
import { defaultPolicy } from '../../ingress/claims/policy.ts';
import { CertificateBook } from '../../ingress/http/certificate-book.ts';
import type { SiteRequest } from '../../ingress/intent/site-request.ts';
import { Inventory } from '../../ingress/objects/inventory.ts';
import { objectKey } from '../../ingress/objects/kinds.ts';
import { suggestAnnotation } from '../../ingress/route/known-annotations.ts';
import type { Route } from '../../ingress/route/route.ts';
import { RouteSites } from '../../ingress/route/sites.ts';
import type { MigratedObject, MigrateFinding } from './migrate-document.ts';
import { verdictOf, type WrittenObject } from './written-objects.ts';

/** Judges Routes with the agent's own code. Routes of all files count together. */
export function judgeRoutes(written: readonly WrittenObject[]): readonly MigratedObject[] {
  const inventory = new Inventory();
  for (const { object } of written) if (object.kind === 'Route') inventory.put(object);
  const sites = new RouteSites(inventory, defaultPolicy, { overridesAll: false, overriddenDomains: [] });
  const requests = [...sites.listChanged(undefined)].flatMap((key) => sites.translate(key));
  const { refused } = decideHosts(requests, defaultPolicy, { allowsWildcards: true, sharesHosts: false });
  const losses = new Map(refused.map((one) => [one.request, one]));
  const book = new CertificateBook(undefined);
  return written.flatMap(({ file, title, object, lineOf }): MigratedObject[] => {
    if (object.kind !== 'Route') return [];
    const own = sites.translate(objectKey(object));
    const findings = [
      ...listPorts(object.value),
      ...own.flatMap((request) => judgeRequest(request, losses.get(request), book)),
    ].map((finding): MigrateFinding => {
      const line = lineOf(finding.subject.replace(/\[.*$/, ''));
      return { ...finding, ...(line !== undefined && { line }) };
    });
    const hosts = own.flatMap(({ host }) => (host === undefined ? [] : [host]));
    return [{ file, title, verdict: verdictOf(findings), hosts, findings }];
  });
}

function listPorts({ ports }: Route): readonly MigrateFinding[] {
  if (ports === undefined || ports.demand.ok) return [];
  return ports.demand.problems.map((problem) => ({
    subject: problem.path,
    outcome: 'closed' as const,
    message: formatProblem(problem),
  }));
}

function judgeRequest(
  { owner, demand }: SiteRequest,
  loss: RefusedHost | undefined,
  book: CertificateBook,
): readonly MigrateFinding[] {
  const refusals = loss === undefined ? [] : [{ subject: 'spec', outcome: 'closed' as const, message: loss.message }];
  if (!demand.ok) return refusals;
  const { warnings, ignored, tls, groups } = demand.value;
  const certificate = book.checkCertificate(owner.meta.namespace, tls);
  const authorities = groups.flatMap((group) => {
    const checked = group.tls?.authorities && book.checkAuthorities(group.tls.authorities);
    return checked === undefined || checked.ok ? [] : [checked.refusal];
  });
  return [
    ...refusals,
    ...[...(certificate.ok ? [] : [certificate.refusal]), ...authorities].map(({ message }) => ({
      subject: 'spec.tls',
      outcome: 'closed' as const,
      message,
    })),
    ...warnings.map((problem) => ({
      subject: problem.path,
      outcome: 'differs' as const,
      message: `${formatProblem(problem)}; it counts as absent, as in OpenShift`,
    })),
    ...ignored.map((name) => ({
      subject: `metadata.annotations[${name}]`,
      outcome: 'ignored' as const,
      message: `has no effect on hosts and paths${suggestAnnotation(name)}`,
    })),
  ];
}
