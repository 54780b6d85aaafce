import * as z from 'zod/mini';
import { type Address, type Prefix, parseAddress, parsePrefix } from '../../base/model/address.ts';
import type { Parsed } from '../../base/model/problem.ts';
import { type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord, readShape } from '../../base/read/shape.ts';
import { text } from '../../base/read/text.ts';

/** A Node (v1) with its addresses. */
export interface Node {
  readonly meta: ObjectMeta;
  /** Every IP address of `status.addresses`, regardless of its type. Names are ignored. */
  readonly addresses: readonly Address[];
  /** Networks of its pods, if Kubernetes assigns them. */
  readonly podNetworks: readonly Prefix[];
  /** Whether an administrator has cordoned it, usually to drain it. */
  readonly isCordoned: boolean;
}

const addressesSchema = z.nullish(
  z.array(
    z.object({ address: z.nullish(text('must be an address or a name')) }, 'must be an object with address'),
    'must be a list of addresses',
  ),
);

/** Parses a Node, whose `status` is written by its kubelet or the cloud provider. */
export function parseNode(input: unknown): Parsed<Node> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems, 'cluster');
  const written = readShape(addressesSchema, nodeAddressesOf(input), 'status.addresses', problems);
  return problems.finish(() => ({
    meta: meta as ObjectMeta,
    addresses: (written ?? []).flatMap((one) => parseAddress(one?.address ?? '') ?? []),
    podNetworks: readPodNetworks(input),
    isCordoned: isRecord(input) && isRecord(input.spec) && input.spec.unschedulable === true,
  }));
}

function readPodNetworks(input: unknown): readonly Prefix[] {
  const networks = isRecord(input) && isRecord(input.spec) ? input.spec.podCIDRs : undefined;
  if (!Array.isArray(networks)) return [];
  return networks.flatMap((one) => (typeof one === 'string' ? (parsePrefix(one) ?? []) : []));
}

/** Returns `status.addresses` as received, the only part of a Node's status that the agent reads. */
export function nodeAddressesOf(input: unknown): unknown {
  return isRecord(input) && isRecord(input.status) ? input.status.addresses : undefined;
}
