import assert from 'node:assert/strict';
import { evaluate } from '@marcbachmann/cel-js';
import { describe, it } from 'mocha';
import { type KubeDocument, renderFolder } from './rendered.ts';
import { findMistakes } from './strict.ts';

interface Expression {
  readonly name?: string;
  readonly expression: string;
}

const documents = renderFolder('policies');
const policyOf = (name: string): KubeDocument => {
  const policy = documents.find(({ kind, metadata }) => kind === 'ValidatingAdmissionPolicy' && metadata.name === name);
  assert.ok(policy !== undefined, name);
  return policy;
};

/** How many of a policy's validations say no; undefined where its conditions do not match. */
function countRefusals(name: string, context: Readonly<Record<string, unknown>>): number | undefined {
  const { matchConditions = [], variables = [], validations } = policyOf(name).spec;
  if (!matchConditions.every(({ expression }: Expression) => evaluate(expression, { ...context }) === true))
    return undefined;
  const known: Record<string, unknown> = {};
  for (const { name: variable = '', expression } of variables as readonly Expression[])
    known[variable] = evaluate(expression, { ...context, variables: known });
  return (validations as readonly Expression[]).filter(
    ({ expression }) => evaluate(expression, { ...context, variables: known }) !== true,
  ).length;
}

describe('admission policies', () => {
  it('are right by Kubernetes’ schemas, and each is bound', async () => {
    for (const document of documents) assert.deepEqual(await findMistakes(document), [], document.metadata.name);
    const named = (wanted: string): string[] =>
      documents.flatMap(({ kind, metadata, spec }) =>
        kind === wanted ? [wanted.endsWith('Binding') ? spec.policyName : metadata.name] : [],
      );
    assert.deepEqual(named('ValidatingAdmissionPolicyBinding').sort(), named('ValidatingAdmissionPolicy').sort());
  });

  const pod = {
    metadata: { labels: { app: 'x' }, annotations: { other: '1', 'egress-router.io/applied': 'a' } },
    spec: { nodeName: 'n1', containers: [{ image: 'i' }] },
  };
  const daemon = {
    userInfo: {
      username: 'system:serviceaccount:egress-router-system:egress-router-node',
      extra: { 'authentication.kubernetes.io/node-name': ['n1'] },
    },
  };
  const withAnnotations = (annotations: object): object => ({ ...pod, metadata: { ...pod.metadata, annotations } });
  const edits: readonly (readonly [name: string, object: object, refusals: number])[] = [
    ['nothing', pod, 0],
    [
      'what is in force',
      withAnnotations({ other: '1', 'egress-router.io/applied': 'b', 'egress-router.io/refused': '{}' }),
      0,
    ],
    ['another annotation', withAnnotations({ other: '2' }), 1],
    ['one that is new', withAnnotations({ other: '1', 'k8s.v1.cni.cncf.io/networks': 'x' }), 1],
    ['one away', withAnnotations({ 'egress-router.io/applied': 'a' }), 1],
    ['a label', { ...pod, metadata: { ...pod.metadata, labels: {} } }, 1],
    ['a finalizer', { ...pod, metadata: { ...pod.metadata, finalizers: ['x'] } }, 1],
    ['the image', { ...pod, spec: { ...pod.spec, containers: [{ image: 'evil' }] } }, 1],
  ];
  for (const [name, object, refusals] of edits) {
    it(`let the node daemon write ${name}: ${refusals === 0 ? 'yes' : 'no'}`, () => {
      assert.equal(countRefusals('egress-router-node', { object, oldObject: pod, request: daemon }), refusals);
    });
  }

  it('let the node daemon write pods of its own node alone, and do not concern others', () => {
    const elsewhere = { ...pod, spec: { ...pod.spec, nodeName: 'n2' } };
    const words = { object: elsewhere, oldObject: elsewhere };
    assert.equal(countRefusals('egress-router-node', { ...words, request: daemon }), 1);
    assert.equal(
      countRefusals('egress-router-node', { ...words, request: { userInfo: { username: 'jane' } } }),
      undefined,
    );
  });

  it('hold a namespace to the addresses that its annotation lists', () => {
    const object = { spec: { addresses: [{ ip: '192.168.12.99/24' }] } };
    const count = (annotations: object): number | undefined =>
      countRefusals('egress-router-reserved-addresses', { object, namespaceObject: { metadata: { annotations } } });
    assert.equal(count({}), 0);
    assert.equal(count({ 'egress-router.io/addresses': '192.168.12.98,192.168.12.99' }), 0);
    assert.equal(count({ 'egress-router.io/addresses': '192.168.12.9' }), 1);
  });

  it('see every definition that may be of our type, by escapes of JSON, too', () => {
    const [condition] = policyOf('egress-router-network-definitions').spec.matchConditions as readonly Expression[];
    const isMeant = (config: string): unknown =>
      evaluate(condition?.expression ?? '', { object: { spec: { config } } });
    assert.equal(isMeant('{"type":"egress-router"}'), true);
    assert.equal(isMeant('{"type":"egress\\u002drouter"}'), true);
    assert.equal(isMeant('{"type":"macvlan"}'), false);
  });
});
