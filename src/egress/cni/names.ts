import type { NamespaceSnapshot } from '../../base/model/network.ts';
import { namesOf, withAnswers } from '../../base/model/redirect.ts';
import type { AttachmentSpec } from '../model/attachment.ts';
import type { NameReply } from '../model/name-request.ts';
import { leaveOut, networksInside } from '../plan/name-networks.ts';
import type { Resolved } from '../plan/resolve.ts';
import type { VerbContext } from './context.ts';
import type { Call } from './environment.ts';
import { CniError, errorCodes } from './error.ts';

const nothing: NameReply = { answers: [], allowed: [] };

/**
 * Requests the addresses of a configuration's names from the node daemon. If the daemon does not answer in time, the
 * names have no addresses yet. Throws {@link CniError} 11 if no daemon is running, because only the daemon keeps names
 * up to date.
 */
export function askForNames(
  { id, args }: Extract<Call, { verb: 'ADD' | 'CHECK' }>,
  { redirects, reserved }: AttachmentSpec,
  { parts, log }: VerbContext,
): NameReply {
  const names = namesOf(redirects);
  const [first] = names;
  if (first === undefined) return nothing;
  const reply = parts.askNames({
    namespace: args.podNamespace ?? '',
    user: `${id.containerId}@${id.ifname}`,
    names,
    families: reserved.map(({ prefix }) => prefix.address.family),
  });
  if (reply === 'absent') {
    throw new CniError(
      errorCodes.tryAgainLater,
      `Cannot resolve ${first}: no egress-router-node answers on this node, and only it keeps DNS names up to date; ` +
        'run the node daemon on every node that runs routers with names',
    );
  }
  if (reply !== 'silent') return reply;
  log.verbose('The node daemon did not answer in time; ports of DNS names are refused until it has their addresses');
  return nothing;
}

/** Returns the attachment with the addresses of its names, and logs names with a problem. */
export function answerNames(
  spec: AttachmentSpec,
  { answers, allowed }: NameReply,
  resolved: Pick<Resolved, 'podLinks' | 'nodeAddresses'>,
  pod: NamespaceSnapshot,
  { log }: VerbContext,
): AttachmentSpec {
  const names = namesOf(spec.redirects);
  if (names.length === 0) return spec;
  const networks = networksInside(spec, resolved, pod);
  const families = new Set(spec.reserved.map(({ prefix }) => prefix.address.family));
  const byName = new Map(
    answers.map(({ name, addresses, problem }) => {
      const own = addresses.filter(({ family }) => families.has(family));
      const usable = leaveOut(own, networks, allowed);
      const isInside = usable.length < own.length;
      const reason = problem ?? (isInside ? 'it has addresses inside the cluster, which are not used' : undefined);
      if (reason !== undefined) log.verbose(`DNS name ${name}: ${reason}`);
      return [name, usable];
    }),
  );
  for (const name of names) {
    if ((byName.get(name) ?? []).length > 0) continue;
    log.verbose(`DNS name ${name} has no usable address; its ports are refused until it has one`);
  }
  return { ...spec, redirects: withAnswers(spec.redirects, byName) };
}
