import { everySuffix } from '../../api/dns-name.ts';
import { parseNetConf } from '../../api/net-conf.ts';
import type { VerbContext } from '../context.ts';
import { demand } from '../demand.ts';
import { CniError, errorCodes } from '../error.ts';

/** STATUS (CNI spec 1.1.0 §4): a {@link CniError} 50 with the reason where ADD could not work now. */
export function runStatus({ parts, configuration }: VerbContext): void {
  const spec = demand(parseNetConf(configuration, undefined, everySuffix));
  const links = orUnavailable(() => {
    parts.checkBackend(spec.ruleBackend);
    return parts.listNodeLinks();
  });
  if (spec.master === undefined || links.includes(spec.master)) return;
  throw new CniError(
    errorCodes.notAvailable,
    `interfaceArgs.master "${spec.master}": the node has no such interface; it has ${links.slice(0, 8).join(', ')}`,
  );
}

function orUnavailable<T>(look: () => T): T {
  try {
    return look();
  } catch (cause) {
    throw new CniError(errorCodes.notAvailable, cause instanceof Error ? cause.message : String(cause), '', { cause });
  }
}
