import assert from 'node:assert/strict';
import type { ConditionDraft } from '../../../../src/base/kubernetes/conditions.ts';
import { IngressAgent } from '../../../../src/ingress/agent/agent.ts';
import { defaultPolicy } from '../../../../src/ingress/claims/policy.ts';
import type { GatewayReports } from '../../../../src/ingress/gateway/gateway-status.ts';
import type { DataPlane } from '../../../../src/ingress/intent/plane.ts';
import { Inventory } from '../../../../src/ingress/objects/inventory.ts';
import { type Kind, readObject } from '../../../../src/ingress/objects/kinds.ts';
import type { SourceSink } from '../../../../src/ingress/objects/source/source.ts';
import type { Probe } from '../../../../src/ingress/ports/health.ts';
import { MemoryKernel } from '../../../../src/ingress/ports/kernel-api.ts';
import { ListenerWatch } from '../../../../src/ingress/ports/listeners.ts';
import { PortPlane, type PortSettings } from '../../../../src/ingress/ports/port-plane.ts';
import { AgentMetrics } from '../../../../src/ingress/status/metrics.ts';
import type { RouteStatus } from '../../../../src/ingress/status/status.ts';
import { FakeClock } from '../../../clock.ts';
import { silentLog } from '../../../lab/silent-log.ts';
import { writeRoute, writeSlice } from '../samples.ts';

function start(
  settings: Partial<PortSettings> = {},
  probe: Probe = async () => true,
  others: readonly DataPlane[] = [],
) {
  const kernel = new MemoryKernel();
  let sink: SourceSink | undefined;
  let statuses: readonly RouteStatus[] = [];
  let gateways: GatewayReports | undefined;
  let publications = 0;
  let listeners: ReadonlySet<string> = new Set();
  const inventory = new Inventory();
  const metrics = new AgentMetrics();
  const plane = new PortPlane(
    {
      name: 'ingress',
      node: 'n1',
      policy: { ...defaultPolicy, nodeServicePorts: [] },
      defaults: { balance: 'source' },
      checkInterval: 0,
      syncInterval: 0,
      ...settings,
    },
    { inventory, kernel, log: silentLog, metrics, listeners: new ListenerWatch(() => listeners), probe },
  );
  const agent = new IngressAgent({
    source: {
      start: (given) => {
        sink = given;
      },
      close: () => undefined,
    },
    inventory,
    planes: [plane, ...others],
    gateways: () => plane.gateways,
    status: {
      publish: (all, ofGateways) => {
        publications++;
        statuses = all;
        gateways = ofGateways;
      },
      close: () => undefined,
    },
    log: silentLog,
    metrics,
  });
  agent.start();
  return {
    agent,
    kernel,
    put: (input: unknown) => {
      const reading = readObject(input);
      if (reading.outcome !== 'object') throw new Error('Cannot read the object of this test');
      sink?.put(reading.object);
    },
    remove: (kind: Kind, key: string) => sink?.remove(kind, key),
    sync: () => sink?.synced(),
    listen: (...ports: readonly string[]) => {
      listeners = new Set(ports);
    },
    /** `tcp 13306 > 10.0.0.1=256`, one line a port. */
    rules: () =>
      kernel.rules?.ports.map(({ protocol, port, endpoints }) => {
        const targets = endpoints.map(({ address, weight }) => `${address.text}=${weight}`);
        return `${protocol} ${port} > ${targets.join(' ')}`;
      }),
    publications: () => publications,
    statuses: () => statuses.map(({ meta, reason = 'Admitted' }) => `${meta.name} ${reason}`),
    messages: () => statuses.map(({ message }) => message),
    /** `Programmed True Programmed` and so on: of the Gateway, its listeners, and the routes attached to it. */
    gateways: () =>
      [...(gateways?.gateways.values() ?? [])].flatMap(({ conditions, listeners }) => [
        conditions.flatMap(describeProgress),
        ...listeners.map((one) => one.conditions.flatMap(describeProgress)),
      ]),
    routes: () =>
      [...(gateways?.routes.TCPRoute?.values() ?? [])].map(({ parents }) =>
        parents.flatMap(({ conditions }) => conditions.slice(0, 1).map(show)),
      ),
  };
}

const show = ({ type, status, reason }: ConditionDraft): string => `${type} ${status} ${reason}`;
const describeProgress = (one: ConditionDraft): string[] => (one.type === 'Programmed' ? [show(one)] : []);

const service = { apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'shop', name: 'web' } };

describe('IngressAgent', () => {
  let clock: FakeClock;
  beforeEach(() => {
    clock = new FakeClock();
  });
  afterEach(() => clock.restore());

  it('changes nothing before the source has synced, then everything at once', async () => {
    const { agent, kernel, put, sync, rules } = start();
    put(writeRoute());
    await clock.advance(20);
    assert.equal(kernel.applied, 0);
    assert.equal(agent.unreadiness, 'waiting for the first complete list of objects');
    put(service);
    put(writeSlice('web', [{ address: '10.0.0.1' }]));
    sync();
    await clock.until(() => kernel.applied > 0, rules);
    assert.deepEqual([rules(), kernel.applied, agent.unreadiness], [['tcp 13306 > 10.0.0.1=256'], 1, undefined]);
    await agent.stop(false);
    assert.notEqual(kernel.rules, undefined);
  });

  for (const [what, fails] of [
    ['is in force', false],
    ['has failed', true],
  ] as const) {
    it(`reports no Route before the first change of every data plane ${what}`, async () => {
      let finish: () => void = () => undefined;
      const first = new Promise<void>((resolve, reject) => {
        finish = fails ? () => reject(new Error('not this time')) : resolve;
      });
      const slow: DataPlane = {
        name: 'slow',
        syncInterval: 0,
        unreadiness: undefined,
        start: () => undefined,
        sync: async () => await first,
        report: () => ({ verdicts: [] }),
        stop: () => undefined,
      };
      const { agent, kernel, put, sync, rules, publications, statuses } = start({}, undefined, [slow]);
      put(writeRoute());
      sync();
      await clock.until(() => kernel.applied > 0, rules);
      await clock.advance(100);
      // A status that is missing here is taken away from the Route.
      assert.equal(publications(), 0);
      finish();
      await clock.until(() => publications() > 0, statuses);
      assert.deepEqual(statuses(), ['web Admitted']);
      await agent.stop(true);
    });
  }

  it('makes one change for many events, and none for events that change nothing', async () => {
    const { agent, kernel, put, sync, rules } = start();
    sync();
    await clock.until(() => kernel.applied === 1, rules);
    for (let port = 2000; port < 2100; port++) put(writeRoute({ name: `r${port}`, port }));
    await clock.until(() => kernel.rules?.ports.length === 100, rules);
    assert.equal(kernel.applied, 2);
    put(writeSlice('nobody', [{ address: '10.0.0.1' }]));
    await clock.advance(20);
    assert.equal(kernel.applied, 2);
    await agent.stop(true);
    assert.equal(kernel.rules, undefined);
  });

  it('keeps the same objects for unchanged ports', async () => {
    const { agent, kernel, put, sync, rules } = start();
    put(service);
    put(writeRoute({ name: 'a', port: 2001 }));
    put(writeRoute({ name: 'b', port: 2002, spec: { to: { kind: 'Service', name: 'other' } } }));
    sync();
    await clock.until(() => kernel.applied === 1, rules);
    const before = kernel.rules?.ports;
    put(writeSlice('web', [{ address: '10.0.0.1' }]));
    await clock.until(() => kernel.applied === 2, rules);
    assert.equal(kernel.rules?.ports[1], before?.[1]);
    assert.notEqual(kernel.rules?.ports[0], before?.[0]);
    await agent.stop(false);
  });

  it('transfers a port when its owner is deleted, and reports the new owner', async () => {
    const { agent, put, remove, sync, statuses, messages, rules } = start();
    put(writeRoute({ name: 'young', created: 2 }));
    put(writeRoute({ name: 'old', created: 1 }));
    sync();
    await clock.until(() => statuses().length === 2, statuses);
    assert.deepEqual(statuses(), ['old Admitted', 'young PortAlreadyClaimed']);
    assert.equal(messages()[0], 'Service web does not exist');
    remove('Route', 'shop/old');
    await clock.until(() => statuses().length === 1, statuses);
    assert.deepEqual([statuses(), rules()], [['young Admitted'], ['tcp 13306 > ']]);
    await agent.stop(false);
  });

  it('retries when the kernel rejects rules, and is not ready meanwhile', async () => {
    const { agent, kernel, put, sync, rules } = start();
    kernel.failure = new Error('busy');
    put(writeRoute());
    sync();
    await clock.until(() => agent.unreadiness === 'the last change of ports failed; retrying', rules);
    kernel.failure = undefined;
    await clock.until(() => agent.unreadiness === undefined, rules);
    assert.deepEqual(rules(), ['tcp 13306 > ']);
    await agent.stop(false);
  });

  it('reports ports as open when the kernel has them, and missing ones while it rejects them', async () => {
    const policy = { ...defaultPolicy, gatewayClass: 'ours' };
    const { agent, kernel, put, sync, statuses, messages, gateways, routes } = start({ policy });
    put({ ...service, spec: { ports: [{ name: 'main', port: 3306 }] } });
    put(writeSlice('web', [{ address: '10.0.0.1' }]));
    put(writeRoute({ name: 'a', port: 2001 }));
    put(writeGateway(5000));
    put(writeL4Route('one'));
    kernel.failure = new Error('not permitted');
    sync();
    const pending = [['Programmed False Pending'], ['Programmed False Pending']];
    await clock.until(() => gateways().length > 0, gateways);
    assert.deepEqual(
      [statuses(), gateways(), routes()],
      [['a NotApplied', 'gw NotApplied'], pending, [['Accepted False Pending']]],
    );
    assert.match(messages()[0] ?? '', /^node n1 cannot apply the rules of its ports and retries; /);
    kernel.failure = undefined;
    const served = [['Programmed True Programmed'], ['Programmed True Programmed']];
    await clock.until(() => statuses()[0] === 'a Admitted', statuses);
    assert.deepEqual(
      [statuses(), gateways(), routes()],
      [['a Admitted', 'gw Admitted'], served, [['Accepted True Accepted']]],
    );
    // What is in force stays so; a change of it is not.
    kernel.failure = new Error('busy');
    put(writeRoute({ name: 'a', port: 2001, annotations: { ip_whitelist: '192.0.2.1' } }));
    put(writeRoute({ name: 'b', port: 2002 }));
    put(writeL4Route('one', 2));
    await clock.until(() => statuses().length === 3, statuses);
    assert.deepEqual([statuses().sort(), gateways()], [['a Admitted', 'b NotApplied', 'gw Admitted'], served]);
    assert.match(messages()[0] ?? '', /node n1 cannot apply/);
    assert.deepEqual(routes(), [['Accepted False Pending']]);
    put(writeGateway(5001));
    await clock.until(() => gateways()[0]?.[0] === pending[0]?.[0], gateways);
    kernel.failure = undefined;
    await clock.until(() => statuses().includes('b Admitted'), statuses);
    assert.deepEqual([gateways(), routes()], [served, [['Accepted True Accepted']]]);
    await agent.stop(false);
  });

  it('does not admit a Route whose port still leads to its previous owner', async () => {
    const { agent, kernel, put, remove, sync, statuses } = start();
    put(writeRoute({ name: 'old' }));
    sync();
    await clock.until(() => statuses()[0] === 'old Admitted', statuses);
    kernel.failure = new Error('busy');
    put(writeRoute({ name: 'young', created: 2 }));
    remove('Route', 'shop/old');
    await clock.until(() => statuses()[0] === 'young NotApplied', statuses);
    await agent.stop(false);
  });

  it('leaves a port to a program of the node', async () => {
    const { agent, put, sync, statuses, listen } = start();
    listen('tcp 13306');
    put(writeRoute());
    sync();
    await clock.until(() => statuses().length === 1, statuses);
    assert.deepEqual(statuses(), ['web PortInUseOnNode']);
    await agent.stop(false);
  });

  it('removes a dead endpoint and adds it again later, but never removes the last one', async () => {
    const dead = new Set<string>();
    const probe: Probe = async ({ address }) => !dead.has(address.text);
    const { agent, put, sync, rules } = start({ checkInterval: 10 }, probe);
    put(service);
    put(writeRoute());
    put(writeSlice('web', [{ address: '10.0.0.1' }, { address: '10.0.0.2' }]));
    sync();
    dead.add('10.0.0.1');
    await clock.until(() => rules()?.[0] === 'tcp 13306 > 10.0.0.1=0 10.0.0.2=256', rules);
    dead.add('10.0.0.2');
    await clock.until(() => rules()?.[0] === 'tcp 13306 > 10.0.0.1=256 10.0.0.2=256', rules);
    dead.clear();
    dead.add('10.0.0.1');
    await clock.until(() => rules()?.[0] === 'tcp 13306 > 10.0.0.1=0 10.0.0.2=256', rules);
    dead.clear();
    await clock.until(() => rules()?.[0] === 'tcp 13306 > 10.0.0.1=256 10.0.0.2=256', rules);
    await agent.stop(false);
  });

  it('computes one port when one of 10,000 Services changes, and keeps the other 9,999 objects', async () => {
    const { agent, kernel, put, sync } = start();
    for (let index = 0; index < 10_000; index++) {
      const name = `s${index}`;
      put(writeRoute({ name, port: 2000 + index, spec: { to: { kind: 'Service', name } } }));
      put({ apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'shop', name } });
      put(writeSlice(name, tenEndpoints(index)));
    }
    sync();
    await clock.until(
      () => kernel.rules?.ports.length === 10_000,
      () => kernel.rules?.ports.length,
      20_000,
    );
    const before = new Set(kernel.rules?.ports);
    put(writeSlice('s5000', tenEndpoints(5001)));
    await clock.until(
      () => kernel.applied === 2,
      () => kernel.applied,
      20_000,
    );
    await agent.stop(false);
    const computed = kernel.rules?.ports.filter((port) => !before.has(port)) ?? [];
    assert.deepEqual(
      computed.map(({ port }) => port),
      [7000],
    );
  }).timeout(60_000);
});

function writeGateway(port: number) {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { namespace: 'shop', name: 'gw', creationTimestamp: '2026-02-01T00:00:00Z' },
    spec: { gatewayClassName: 'ours', listeners: [{ name: 'mysql', protocol: 'TCP', port }] },
  };
}

function writeL4Route(name: string, weight = 1) {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'TCPRoute',
    metadata: { namespace: 'shop', name },
    spec: { parentRefs: [{ name: 'gw' }], rules: [{ backendRefs: [{ name: 'web', port: 3306, weight }] }] },
  };
}

function tenEndpoints(seed: number) {
  return Array.from({ length: 10 }, (_, index) => ({
    address: `10.${seed >> 8}.${seed & 255}.${index + 1}`,
    nodeName: 'n1',
  }));
}
