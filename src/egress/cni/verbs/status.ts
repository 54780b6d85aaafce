import { listMasterCandidates } from '../../../base/model/master.ts';
import { everySuffix } from '../../api/dns-name.ts';
import { parseNetConf } from '../../api/net-conf.ts';
import type { VerbContext } from '../context.ts';
import { demand } from '../demand.ts';
import { CniError, errorCodes } from '../error.ts';

/** STATUS (CNI spec 1.1.0 §4): throws a {@link CniError} 50 with the reason if ADD cannot succeed at the moment. */
export function runStatus({ parts, configuration }: VerbContext): void {
  const spec = demand(parseNetConf(configuration, undefined, everySuffix));
  const { links, addresses } = orUnavailable(() => {
    parts.checkBackend(spec.ruleBackend);
    return parts.readNodeLinks();
  });
  if (spec.master === undefined || links.some(({ name }) => name === spec.master)) return;
  throw new CniError(
    errorCodes.notAvailable,
    `interfaceArgs.master "${spec.master}": the node has no such interface; it has ${listMasterCandidates(links, addresses)}`,
  );
}

function orUnavailable<T>(look: () => T): T {
  try {
    return look();
  } catch (cause) {
    throw new CniError(errorCodes.notAvailable, cause instanceof Error ? cause.message : String(cause), '', { cause });
  }
}
