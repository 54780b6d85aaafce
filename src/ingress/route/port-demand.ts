import type { Parsed } from '../../base/model/problem.ts';
import type { ObjectMeta } from '../../base/read/object-meta.ts';
import type { RouteBackend } from './backend.ts';
import type { Termination } from './http-demand.ts';
import type { AskedPort, PortAnnotations } from './port-annotations.ts';

export type { AskedPort };

/** What an object requests for its ports. */
export interface PortDemand extends PortAnnotations {
  readonly backends: readonly RouteBackend[];
  /** Name or number of the endpoints' port. Absent: every port of the Service. */
  readonly targetPort?: string | number;
  /** Who terminates TLS. */
  readonly termination?: Exclude<Termination, 'none'>;
}

/** A request for ports of the node: a Route with annotations, or a listener of a Gateway. */
export interface PortRequest {
  readonly meta: ObjectMeta;
  /** Host of a Route in lower case. */
  readonly host?: string;
  /** Name of a Gateway's listener. */
  readonly listener?: string;
  /** What is requested, or all problems of the request. */
  readonly demand: Parsed<PortDemand>;
}
