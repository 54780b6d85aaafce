import * as z from 'zod/mini';
import type { Parsed } from '../../base/model/problem.ts';
import { type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord, readShape } from '../../base/read/shape.ts';
import { text } from '../../base/read/text.ts';

/** An IngressClass (networking.k8s.io/v1), which assigns Ingresses to a controller. */
export interface IngressClass {
  readonly meta: ObjectMeta;
  /** The controller that serves Ingresses of the class. */
  readonly controller: string;
  /** Whether Ingresses without a class belong to it. */
  readonly isDefault: boolean;
}

/** Marks the class of Ingresses that name none. */
const defaultAnnotation = 'ingressclass.kubernetes.io/is-default-class';

const specSchema = z.object({ controller: text('must be the name of a controller') }, 'must be an IngressClass spec');

/** Parses an IngressClass. */
export function parseIngressClass(input: unknown): Parsed<IngressClass> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems, 'cluster');
  const spec = readShape(specSchema, isRecord(input) ? input.spec : undefined, 'spec', problems);
  const metadata = isRecord(input) && isRecord(input.metadata) ? input.metadata : {};
  const annotations = isRecord(metadata.annotations) ? metadata.annotations : {};
  return problems.finish(() => ({
    meta: meta as ObjectMeta,
    controller: spec?.controller ?? '',
    // Kubernetes recognizes only this value.
    isDefault: annotations[defaultAnnotation] === 'true',
  }));
}
