import type { ConditionDraft } from '../../../base/kubernetes/conditions.ts';
import type { RevocationState } from '../crl/lists.ts';

export type RevocationReport = Pick<RevocationState, 'missing' | 'stale'>;

/** Returns the condition about revocation lists of client certificates. It is False while clients are refused. */
export function describeRevocation({ missing, stale }: RevocationReport): ConditionDraft {
  const type = 'RevocationListsValid';
  if (missing.length > 0) {
    const message = `client certificates of these authorities are refused until their lists can be downloaded: ${missing.join('; ')}`;
    return { type, status: 'False', reason: 'ListMissing', message };
  }
  if (stale.length > 0) return { type, status: 'True', reason: 'DownloadFailed', message: stale.join('; ') };
  return { type, status: 'True', reason: 'AsExpected', message: '' };
}
