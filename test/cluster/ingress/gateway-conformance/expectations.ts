/** The data of the conformance tests: one entry for each test of the suite. */
export interface ConformanceTest {
  readonly test: string;
  /** Level by profile, such as `core` in `GATEWAY-HTTP`. */
  readonly profiles: Readonly<Record<string, string>>;
  /** Features that an implementation must claim for the test to run. */
  readonly features: readonly string[];
  readonly manifests: readonly string[];
  /** The test applies only without this feature. */
  readonly onlyIfNotFeature?: string;
  readonly steps: readonly Step[];
}

/** One step. The fields that it has depend on `do`. */
export interface Step {
  readonly do?: string;
  /** Steps of a group. */
  readonly steps?: readonly Step[];
  readonly check?: string;
  readonly kind?: string;
  readonly object?: unknown;
  readonly objects?: readonly string[];
  readonly set?: Readonly<Record<string, unknown>>;
  readonly namespaces?: readonly string[];
  readonly gateway?: string;
  readonly routeKind?: string;
  readonly routes?: readonly string[];
  readonly parent?: string;
  readonly condition?: ConditionWords;
  readonly listeners?: readonly (ListenerWords | string)[];
  readonly conditions?: readonly ConditionWords[];
  readonly count?: number;
  readonly parentKind?: string;
  readonly parents?: readonly ParentWords[];
  /** Whether the `parentRef`s must name their namespace. */
  readonly namespaceRequired?: boolean;
  readonly listener?: string;
  readonly port?: number;
  readonly scheme?: string;
  readonly host?: string;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly backendAnswersWithHeaders?: Readonly<Record<string, string>>;
  readonly sni?: string;
  readonly trust?: string;
  readonly clientCertificate?: string;
  readonly ancestor?: string;
  readonly protocol?: string;
  readonly service?: string;
  readonly authority?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly tls?: boolean;
  readonly payload?: string;
  readonly requests?: number;
  readonly connections?: number;
  readonly datagrams?: number;
  readonly concurrency?: number;
  readonly tolerance?: number;
  readonly attempts?: number;
  /** A step, or words about requests. */
  readonly request?: string | Step;
  readonly expectShares?: Readonly<Record<string, number>>;
  readonly query?: { readonly name: string };
  readonly seconds?: number;
  /** Query whose value is new for each try. */
  readonly addUniqueQuery?: string;
  readonly mirroredTo?: readonly MirrorWords[];
  readonly mirroredCountBetween?: readonly [least: number, most: number];
  readonly times?: number;
  readonly url?: string;
  readonly origin?: string;
  readonly expect?: Expectation;
}

export interface ConditionWords {
  readonly type: string;
  readonly status?: string;
  readonly reason?: string;
}

export interface ListenerWords {
  readonly name: string;
  readonly supportedKinds: readonly string[];
  readonly attachedRoutes: number;
  readonly conditions: readonly ConditionWords[];
}

export interface ParentWords {
  readonly controllerName: string;
  readonly parentRef: Readonly<Record<string, unknown>>;
  readonly conditions: readonly ConditionWords[];
}

/** Pods that must receive a copy. */
export interface MirrorWords {
  readonly backend: string;
  readonly namespace: string;
}

/** What a request must lead to. */
export interface Expectation {
  readonly status?: number | readonly number[];
  readonly statusNot?: number | readonly number[];
  readonly transportError?: boolean;
  readonly note?: string;
  readonly backend?: string;
  readonly namespace?: string;
  readonly backendSees?: {
    readonly host?: string;
    readonly path?: string;
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly absentHeaders?: readonly string[];
    readonly sni?: string;
    readonly clientCertificateAmong?: string;
  };
  readonly answeredByGateway?: boolean;
  readonly responseHeaders?: Readonly<Record<string, string>>;
  readonly responseHeadersAbsent?: readonly string[];
  /** Allowed values by name. */
  readonly responseHeadersOneOf?: Readonly<Record<string, readonly string[]>>;
  readonly ignoreSpacesInResponseHeaders?: boolean;
  readonly mirroredTo?: readonly MirrorWords[];
  readonly backendSeesHeader?: string;
  readonly frames?: readonly { readonly send: string; readonly data?: string; readonly dataHex?: string }[];
  readonly redirect?: {
    readonly host?: string;
    readonly scheme?: string;
    readonly path?: string;
    readonly port?: number | string;
  };
  readonly code?: string;
  readonly isTLS?: boolean;
  readonly sni?: string;
  readonly service?: string;
  readonly closedDuringHandshake?: boolean;
  readonly backendOfEveryConnection?: string;
  readonly backendOfEveryAnswer?: string;
}
