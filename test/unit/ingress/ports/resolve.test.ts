import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describeBackends } from '../../../../src/ingress/backends/describe-backends.ts';
import { EndpointFinder } from '../../../../src/ingress/backends/endpoints.ts';
import type { PortDemand } from '../../../../src/ingress/intent/port-request.ts';
import type { EndpointSlice } from '../../../../src/ingress/objects/endpoint-slice.ts';
import { Inventory } from '../../../../src/ingress/objects/inventory.ts';
import type { IngressPort } from '../../../../src/ingress/ports/model.ts';
import { PortResolver } from '../../../../src/ingress/ports/resolve.ts';
import { makeService, makeSlice, type RouteWords, readRequest, writeRoute } from '../samples.ts';

function demandOf(words: RouteWords = {}): PortDemand {
  const { demand } = readRequest(writeRoute(words));
  if (!demand.ok) throw new Error('Cannot read the Route of this test');
  return demand.value;
}

/** A Service of a Route with its weight and slices; without `spec` it does not exist. */
interface TestBackend {
  readonly slices: readonly EndpointSlice[];
  readonly weight: number;
  readonly spec?: Readonly<Record<string, unknown>>;
}

function backend(slices: readonly EndpointSlice[], weight = 1, spec = {}): TestBackend {
  return { slices, weight, spec };
}

/** Fills an inventory with Services `s0`, `s1` and so on. */
function makeFinder(backends: readonly TestBackend[]): EndpointFinder {
  const inventory = new Inventory();
  for (const [index, { slices, spec }] of backends.entries()) {
    if (spec !== undefined) inventory.put({ kind: 'Service', value: makeService(`s${index}`, spec) });
    for (const [place, slice] of slices.entries()) {
      const meta = { ...slice.meta, name: `s${index}-${place}` };
      inventory.put({ kind: 'EndpointSlice', value: { ...slice, meta, service: `shop/s${index}` } });
    }
  }
  return new EndpointFinder(inventory, 'n1');
}

function resolve(
  backends: readonly TestBackend[],
  demand = demandOf(),
  dead: readonly string[] = [],
): readonly IngressPort[] {
  const resolver = new PortResolver(makeFinder(backends), { balance: 'source' });
  resolver.setDead(new Set(dead));
  const named = backends.map(({ weight }, index) => ({ service: `s${index}`, weight }));
  return resolver.resolve({ ...demand, ...(named.length > 0 && { backends: named }) }, 'shop');
}

/** `ADDRESS:PORT=WEIGHT`, with `*` for an endpoint of this node. */
function describeEndpoints(ports: readonly IngressPort[]): string {
  return (ports[0]?.endpoints ?? [])
    .map(({ address, port, weight, local }) => `${address.text}:${port}=${weight}${local ? '*' : ''}`)
    .join(' ');
}

const unready = { ready: false };
const draining = { ready: false, serving: true, terminating: true };
const pods = (...numbers: readonly number[]) => numbers.map((number) => ({ address: `10.0.0.${number}` }));

describe('PortResolver', () => {
  it('copies the settings of the Route', () => {
    const annotations = { timeout: '5m', ip_allowlist: '10.0.0.0/8', balance: 'random' };
    assert.deepEqual(resolve([], demandOf({ annotations })), [
      {
        protocol: 'tcp',
        port: 13306,
        endpoints: [],
        balance: 'random',
        limits: {},
        allowed: [{ address: { family: 4, text: '10.0.0.0' }, length: 8 }],
        idleTimeout: 300_000,
      },
    ]);
  });

  it('marks the endpoints of this node', () => {
    const slice = makeSlice('web', [
      { address: '10.0.0.1', nodeName: 'n1' },
      { address: '10.0.0.2', nodeName: 'n2' },
      { address: '10.0.0.3' },
    ]);
    assert.equal(
      describeEndpoints(resolve([backend([slice])])),
      '10.0.0.1:3306=256* 10.0.0.2:3306=256 10.0.0.3:3306=256',
    );
  });

  const ports = [
    { name: 'main', port: 3306 },
    { name: 'admin', port: 33060 },
    { name: 'dns', port: 53, protocol: 'UDP' },
  ];
  const targets: readonly (readonly [targetPort: string | number | undefined, want: string])[] = [
    ['admin', '10.0.0.1:33060=256'],
    [3306, '10.0.0.1:3306=256'],
    [undefined, '10.0.0.1:3306=256 10.0.0.1:33060=256'],
    ['dns', ''],
    [53, ''],
    ['3306', '10.0.0.1:3306=256'],
    // Names, although JavaScript reads numbers in them.
    ['0xcea', ''],
    ['33e2', ''],
  ];
  for (const [targetPort, want] of targets) {
    it(`resolves the target port ${JSON.stringify(targetPort)}`, () => {
      const spec = targetPort === undefined ? {} : { port: { targetPort } };
      const slice = makeSlice('web', pods(1), ports);
      assert.equal(describeEndpoints(resolve([backend([slice])], demandOf({ spec }))), want);
    });
  }

  const states: readonly (readonly [name: string, conditions: readonly object[], want: string])[] = [
    ['ready ones when there are some', [{}, unready, draining], '10.0.0.1:3306=256 10.0.0.2:3306=0 10.0.0.3:3306=0'],
    ['draining ones when nothing is ready', [unready, draining], '10.0.0.1:3306=0 10.0.0.2:3306=256'],
    ['no endpoint if none is ready', [unready, unready], '10.0.0.1:3306=0 10.0.0.2:3306=0'],
  ];
  for (const [name, conditions, want] of states) {
    it(`forwards to ${name}`, () => {
      const endpoints = conditions.map((each, index) => ({
        address: `10.0.0.${index + 1}`,
        conditions: each as Record<string, boolean>,
      }));
      assert.equal(describeEndpoints(resolve([backend([makeSlice('web', endpoints)])])), want);
    });
  }

  it('distributes weights of Services among their endpoints, between 1 and 256', () => {
    const big = backend([makeSlice('web', pods(1, 2))], 200);
    const small = backend([makeSlice('web', pods(3))], 50);
    const tiny = backend([makeSlice('web', pods(...Array.from({ length: 9 }, (_, index) => index + 10)))], 1);
    const none = backend([makeSlice('web', pods(99))], 0);
    const text = describeEndpoints(resolve([big, small, tiny, none]));
    assert.match(text, /^10.0.0.1:3306=256 10.0.0.10:3306=1 /);
    assert.match(text, / 10.0.0.2:3306=256 10.0.0.3:3306=128 10.0.0.99:3306=0$/);
  });

  it('keeps the weights of each family separate', () => {
    const dual = [
      makeSlice('web', pods(1)),
      makeSlice('web', [{ address: '2001:db8::1' }, { address: '2001:db8::2' }]),
    ];
    const text = describeEndpoints(resolve([backend(dual, 1), backend([makeSlice('web', pods(2))], 1)]));
    assert.equal(text, '10.0.0.1:3306=256 10.0.0.2:3306=256 2001:db8::1:3306=256 2001:db8::2:3306=256');
  });

  it('counts an endpoint of two slices once, as ready if either slice reports it ready', () => {
    const slices = [
      makeSlice('web', [{ address: '10.0.0.1', conditions: unready }]),
      makeSlice('web', pods(1, 2), undefined, 'web-2'),
    ];
    assert.equal(describeEndpoints(resolve([backend(slices)])), '10.0.0.1:3306=256 10.0.0.2:3306=256');
  });

  it('uses round robin between Services, otherwise balances like the router', () => {
    const two = demandOf({ spec: { alternateBackends: [{ kind: 'Service', name: 'b' }] } });
    const off = demandOf({ spec: { alternateBackends: [{ kind: 'Service', name: 'b', weight: 0 }] } });
    const chosen = demandOf({ annotations: { balance: 'random' } });
    assert.deepEqual(
      [two, off, chosen].map((demand) => resolve([], demand)[0]?.balance),
      ['roundrobin', 'source', 'random'],
    );
  });

  it('omits dead endpoints of TCP, but never the last one', () => {
    const web = [backend([makeSlice('web', pods(1, 2))])];
    assert.equal(describeEndpoints(resolve(web, demandOf(), ['10.0.0.1 3306'])), '10.0.0.1:3306=0 10.0.0.2:3306=256');
    const all = ['10.0.0.1 3306', '10.0.0.2 3306'];
    assert.equal(describeEndpoints(resolve(web, demandOf(), all)), '10.0.0.1:3306=256 10.0.0.2:3306=256');
  });

  it('uses endpoints of this node only if the Service requires it', () => {
    assert.equal(resolve([backend([], 1, { externalTrafficPolicy: 'Local' })])[0]?.localOnly, true);
    assert.equal(resolve([backend([])])[0]?.localOnly, undefined);
  });

  it('gives every Service its share of the weights, up to rounding', () => {
    const services = fc.array(
      fc.record({ weight: fc.integer({ min: 0, max: 256 }), count: fc.integer({ min: 1, max: 9 }) }),
      { minLength: 1, maxLength: 4 },
    );
    fc.assert(
      fc.property(services, (list) => {
        let next = 0;
        const backends = list.map(({ weight, count }) =>
          backend([makeSlice('web', pods(...Array.from({ length: count }, () => ++next)))], weight),
        );
        const endpoints = resolve(backends)[0]?.endpoints ?? [];
        const largest = Math.max(...list.map(({ weight, count }) => weight / count));
        let seen = 0;
        for (const { weight, count } of list) {
          for (let index = 0; index < count; index++) {
            const { weight: got } = endpoints.find(({ address }) => address.text === `10.0.0.${seen + 1}`) ?? {
              weight: -1,
            };
            seen++;
            const want = largest === 0 ? 0 : (weight / count / largest) * 256;
            assert.ok(weight === 0 ? got === 0 : got >= 1 && Math.abs(got - want) <= 1, `${got} for ${want}`);
          }
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('describeBackends', () => {
  const bad = makeSlice('web', [{ address: '169.254.169.254' }, { address: '10.0.0.1' }], [{ name: 'admin', port: 1 }]);
  const cases: readonly (readonly [backend: TestBackend, want: readonly string[]])[] = [
    [{ slices: [], weight: 1 }, ['Service s0 does not exist']],
    [backend([], 1, { type: 'ExternalName' }), ['Service s0 is an ExternalName, which has no endpoints']],
    [backend([]), ['Service s0 has no endpoints']],
    [
      backend([makeSlice('web', pods(1))]),
      ['Service s0 has no TCP port for spec.port.targetPort "admin"; ports of its endpoints: main 3306/TCP'],
    ],
    [backend([bad]), ['Service s0: ignored endpoints "169.254.169.254" (a link-local address)']],
    [backend([makeSlice('web', pods(1), [{ name: 'admin', port: 1 }])]), []],
  ];
  for (const [each, want] of cases) {
    it(`reports ${want[0] ?? 'nothing about a healthy Service'}`, () => {
      const choices = [{ protocol: 'tcp' as const, targetPort: 'admin' }];
      const named = [{ service: 's0', weight: 1 }];
      assert.deepEqual(describeBackends(named, 'shop', choices, makeFinder([each])), want);
    });
  }
});
