import { parseValidAttachments } from '../../api/valid-attachments.ts';
import type { VerbContext } from '../context.ts';
import { demand } from '../demand.ts';
import { CniError, errorCodes } from '../error.ts';
import { detach } from './del.ts';

/**
 * GC (CNI spec 1.1.0 §4): removes the attachments of this network that the runtime no longer knows. A failure does
 * not stop the others; all failures are reported.
 */
export function runGc({ parts, configuration, log }: VerbContext): void {
  const valid = demand(parseValidAttachments(configuration));
  log.debug('Called CNI GC');
  const kept = new Set(valid.map(({ containerId, ifname }) => `${containerId} ${ifname}`));
  const network = configuration.name;
  const failures: string[] = [];
  for (const { id, network: owner } of parts.store.list()) {
    if (owner !== network || kept.has(`${id.containerId} ${id.ifname}`)) continue;
    try {
      detach(parts, id, undefined);
      log.verbose(
        `Removed the attachment ${id.ifname} of container ${id.containerId}, which is not among the valid attachments`,
      );
    } catch (error) {
      failures.push(`${id.containerId} ${id.ifname}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (failures.length === 0) return;
  throw new CniError(errorCodes.ioFailure, `Cannot remove ${failures.length} attachments`, failures.join('\n'));
}
