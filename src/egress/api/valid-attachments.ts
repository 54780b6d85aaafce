import * as z from 'zod/mini';
import type { Parsed } from '../../base/model/problem.ts';
import { lazily } from '../../base/read/lazily.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord, readShape } from '../../base/read/shape.ts';
import { text } from '../../base/read/text.ts';
import type { AttachmentId } from '../model/attachment.ts';

const key = 'cni.dev/valid-attachments';
const cure = 'must be a list of objects with containerID and ifname';
const getSchema = lazily(() =>
  z.array(
    z.object({ containerID: text('must be a container ID'), ifname: text('must be an interface name') }, cure),
    cure,
  ),
);

/**
 * Parses the attachments that GC must keep (CNI spec 1.1.0 §4, GC). Rejects a configuration without the list:
 * an empty list would remove every router on the node.
 */
export function parseValidAttachments(configuration: unknown): Parsed<readonly AttachmentId[]> {
  const problems = new ProblemList();
  const list = readShape(getSchema(), isRecord(configuration) ? configuration[key] : undefined, key, problems);
  return problems.finish(() =>
    (list ?? []).flatMap((item) =>
      item?.containerID === undefined || item.ifname === undefined
        ? []
        : [{ containerId: item.containerID, ifname: item.ifname }],
    ),
  );
}
