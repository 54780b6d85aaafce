import type { Parsed } from '../../base/model/problem.ts';
import type { ObjectMeta } from '../../base/read/object-meta.ts';
import type { ServiceShare } from '../intent/service-share.ts';
import type { Termination } from './http-demand.ts';
import type { AskedPort, PortAnnotations } from './port-annotations.ts';

export type { AskedPort };

/** What an object requests for its ports. */
export interface PortDemand extends PortAnnotations {
  readonly backends: readonly ServiceShare[];
  /** Name or number of the endpoints' port; absent: every port of the Service. */
  readonly targetPort?: string | number;
  /** Who ends TLS on the connections. */
  readonly termination?: Exclude<Termination, 'none'>;
}

/** Who asks for ports of the node: a Route by annotation, or a listener of a Gateway. */
export interface PortRequest {
  readonly meta: ObjectMeta;
  /** Of a Route, in lower case. */
  readonly host?: string;
  /** Name of the listener, of a Gateway's. */
  readonly listener?: string;
  /** What is wanted, or everything that is wrong with it. */
  readonly demand: Parsed<PortDemand>;
}
