/** Where an API server describes the kinds of the Gateway API. */
export const gatewaySchemaPath = '/openapi/v3/apis/gateway.networking.k8s.io/v1';

type Schema = Readonly<Record<string, unknown>>;

const text: Schema = { type: 'string' };
const fields = (properties: Readonly<Record<string, Schema>>): Schema => ({ type: 'object', properties });
const list = (items: Schema): Schema => ({ type: 'array', items });

/**
 * What an API server with a channel of the CRDs of Gateway API 1.6 answers at {@link gatewaySchemaPath}, in its shape,
 * with some of the fields of the kinds.
 */
export function makeGatewaySchema(channel: 'standard' | 'experimental'): object {
  const filters = list(
    fields({ type: text, cors: fields({}), requestMirror: fields({ percent: { type: 'integer' } }) }),
  );
  const rules = {
    name: text,
    matches: list(fields({})),
    filters,
    ...(channel === 'experimental' && { retry: fields({ attempts: { type: 'integer' } }) }),
  };
  const tls = { frontend: fields({}), backend: fields({ clientCertificateRef: fields({}) }) };
  const kinds = {
    HTTPRoute: fields({ rules: list(fields(rules)) }),
    GRPCRoute: fields({ rules: list(fields({ name: text, matches: list(fields({})) })) }),
    Gateway: fields({ gatewayClassName: text, tls: fields(tls) }),
  };
  const group = 'gateway.networking.k8s.io';
  const schemas = Object.entries(kinds).flatMap(([kind, spec]) => [
    [
      `io.k8s.networking.gateway.v1.${kind}`,
      {
        ...fields({ apiVersion: text, kind: text, metadata: { allOf: [{ $ref: '#/components/schemas/Meta' }] }, spec }),
        'x-kubernetes-group-version-kind': [{ group, kind, version: 'v1' }],
      },
    ],
    [
      `io.k8s.networking.gateway.v1.${kind}List`,
      {
        ...fields({ items: list({ $ref: `#/components/schemas/io.k8s.networking.gateway.v1.${kind}` }) }),
        'x-kubernetes-group-version-kind': [{ group, kind: `${kind}List`, version: 'v1' }],
      },
    ],
  ]);
  return { openapi: '3.0.0', info: {}, paths: {}, components: { schemas: Object.fromEntries(schemas) } };
}
