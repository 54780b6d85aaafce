import { type KubeApi, KubeError } from '../../base/kubernetes/cluster-api.ts';
import { isRecord } from '../../base/read/shape.ts';
import { fieldOfFeature, type SchemaField } from '../gateway/supported-features.ts';

/** Every authenticated account may read it (ClusterRole `system:discovery`). */
const path = '/openapi/v3/apis/gateway.networking.k8s.io/v1';

/** Maximum length of the document in characters; that of Gateway API 1.6 has less than a million. */
const longestDocument = 16 << 20;

/** When to read the schema again, in milliseconds: the CRDs may have been replaced, or the read has failed. */
export interface SchemaTimes {
  readonly renewal: number;
  readonly retry: number;
}

const ordinaryTimes: SchemaTimes = { renewal: 600_000, retry: 30_000 };

/** Whether the API server has a field. Undefined if it is not known. */
type Fields = ReadonlyMap<SchemaField, boolean | undefined>;

const nothingKnown: Fields = new Map();

/**
 * Selects the features of the Gateway API that the CRDs of the cluster allow. The API server's schema is read when it
 * is first needed, and again every ten minutes while this process writes statuses.
 */
export class ServedFeatures {
  readonly #api: Pick<KubeApi, 'get'>;
  readonly #isNeeded: () => boolean;
  readonly #onChange: () => void;
  readonly #times: SchemaTimes;
  readonly #end = new AbortController();
  #fields: Fields | undefined;
  #isReading = false;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param isNeeded whether this process writes statuses
   * @param onChange called when {@link select} may return something else
   */
  constructor(api: Pick<KubeApi, 'get'>, isNeeded: () => boolean, onChange: () => void, times = ordinaryTimes) {
    this.#api = api;
    this.#isNeeded = isNeeded;
    this.#onChange = onChange;
    this.#times = times;
  }

  /**
   * Returns the features without those whose fields the API server drops. Undefined until its schema has been read. A
   * field that is not known counts as present, unless only the experimental channel of the CRDs has it.
   */
  select(features: readonly string[]): readonly string[] | undefined {
    if (!features.some((feature) => fieldOfFeature.has(feature))) return features;
    if (this.#fields === undefined) {
      void this.#read();
      return undefined;
    }
    const fields = this.#fields;
    return features.filter((feature) => {
      const field = fieldOfFeature.get(feature);
      return field === undefined || (fields.get(field) ?? field.isExperimental !== true);
    });
  }

  close(): void {
    this.#end.abort();
    clearTimeout(this.#timer);
  }

  /** Never rejects. */
  async #read(): Promise<void> {
    if (this.#isReading || this.#end.signal.aborted) return;
    this.#isReading = true;
    let wait = this.#times.renewal;
    let fields: Fields;
    try {
      fields = findFields(await this.#api.get(path, {}, this.#end.signal, longestDocument));
    } catch (error) {
      // A server without this schema, or that denies access to it, has answered. Otherwise the last one counts.
      const isAnswer = error instanceof KubeError && (error.status === 403 || error.status === 404);
      if (!isAnswer) wait = this.#times.retry;
      fields = (isAnswer ? undefined : this.#fields) ?? nothingKnown;
    }
    this.#isReading = false;
    if (this.#end.signal.aborted) return;
    const before = this.#fields;
    this.#fields = fields;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#renew(), wait);
    this.#timer.unref();
    if (before === undefined || !isSame(before, fields)) this.#onChange();
  }

  #renew(): void {
    if (this.#isNeeded()) void this.#read();
    // The next process that writes statuses may be this one, much later.
    else this.#fields = undefined;
  }
}

function isSame(one: Fields, other: Fields): boolean {
  return [...fieldOfFeature.values()].every((field) => one.get(field) === other.get(field));
}

/** Returns which fields an OpenAPI document (version 3) of the Gateway API has. */
function findFields(document: unknown): Fields {
  const components = isRecord(document) && isRecord(document.components) ? document.components : {};
  const schemas = isRecord(components.schemas) ? Object.values(components.schemas) : [];
  const fields = new Map<SchemaField, boolean | undefined>();
  for (const field of fieldOfFeature.values()) {
    const schema = schemas.find((one) => isSchemaOf(one, field.kind));
    fields.set(field, schema === undefined ? undefined : hasField(schema, field.path));
  }
  return fields;
}

function isSchemaOf(schema: unknown, kind: string): boolean {
  const kinds = isRecord(schema) ? schema['x-kubernetes-group-version-kind'] : undefined;
  return Array.isArray(kinds) && kinds.some((one) => isRecord(one) && one.kind === kind);
}

function hasField(schema: unknown, names: readonly string[]): boolean {
  let current = schema;
  for (const name of names) {
    while (isRecord(current) && isRecord(current.items)) current = current.items;
    const properties = isRecord(current) ? current.properties : undefined;
    if (!isRecord(properties) || !Object.hasOwn(properties, name)) return false;
    current = properties[name];
  }
  return true;
}
