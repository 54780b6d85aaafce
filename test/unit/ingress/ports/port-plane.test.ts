import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { readIptables } from '../../../../src/base/firewall/iptables.ts';
import { readNftables } from '../../../../src/base/firewall/nftables.ts';
import { defaultPolicy } from '../../../../src/ingress/claims/policy.ts';
import { MemoryKernel } from '../../../../src/ingress/ports/kernel-api.ts';
import { findTranslatedPorts } from '../../../../src/ingress/ports/translated-ports.ts';
import { until } from '../../../until.ts';
import { address } from '../../base/rules/examples.ts';
import { startPlane } from '../agent/plane.ts';
import { writeRoute, writeSlice } from '../samples.ts';

const service = (spec: object = {}, name = 'web') => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { namespace: 'shop', name },
  spec,
});

/** A kernel that counts how often the rules of other programs are read. */
class CountingKernel extends MemoryKernel {
  reads = 0;

  override listForeignNat(): ReturnType<MemoryKernel['listForeignNat']> {
    this.reads++;
    return super.listForeignNat();
  }
}

describe('PortPlane', () => {
  it('reads the rules of other programs again after their changes only', async () => {
    const kernel = new CountingKernel();
    const { plane, put } = startPlane({}, { kernel });
    put(service(), writeSlice('web', [{ address: '10.0.0.1' }]), writeRoute());
    await plane.sync();
    assert.equal(kernel.reads, 1);
    plane.duringOwnChange(() => kernel.generation++);
    put(writeRoute({ name: 'other', port: 2000 }));
    await plane.sync();
    assert.equal(kernel.reads, 1);
    kernel.generation++;
    let port = 2000;
    const readsAgain = async () => {
      port++;
      put(writeRoute({ name: 'third', port }));
      await plane.sync();
      return kernel.reads === 2;
    };
    // Reads may take half of the time, so a slow one is followed by a pause.
    await until(readsAgain, () => kernel.reads);
    await plane.stop(false);
  });

  it('does not wait for the cleanup of connections when it hands over', async () => {
    const cleanUp = Promise.withResolvers<undefined>();
    const begun = Promise.withResolvers<undefined>();
    class BusyKernel extends MemoryKernel {
      override cleanUp(): Promise<undefined> {
        begun.resolve(undefined);
        return cleanUp.promise;
      }

      override stopCleanUp(): void {
        cleanUp.resolve(undefined);
      }
    }
    const { plane, put } = startPlane({}, { kernel: new BusyKernel() });
    put(service(), writeSlice('web', [{ address: '10.0.0.1' }]), writeRoute());
    await plane.sync();
    await begun.promise;
    await plane.stop(false);
  });

  it('reports to both sides when a program of the node takes the port of an admitted Route', async () => {
    const { plane, put, pass, problems, verdicts } = startPlane();
    put(service(), writeSlice('web', [{ address: '10.0.0.1' }]), writeRoute());
    await plane.sync();
    assert.deepEqual([verdicts(), problems.get('node ports')], [['web Admitted'], undefined]);
    pass(5000, 'tcp 13306');
    put(writeRoute({ name: 'other', port: 2000 }));
    await plane.sync();
    assert.deepEqual(verdicts(), ['other Admitted', 'web PortInUseOnNode']);
    assert.match(problems.get('node ports') ?? '', /^programs on the node took ports of admitted Routes: tcp 13306; /);
    pass(400_000);
    put(writeRoute({ name: 'other', port: 2001 }));
    await plane.sync();
    assert.deepEqual([verdicts().sort(), problems.get('node ports')], [['other Admitted', 'web Admitted'], undefined]);
    await plane.stop(false);
  });

  it('limits each namespace to its quota of ports and endpoints, independently of others', async () => {
    const namespaceQuota = { ports: 3, endpoints: 5 };
    const { plane, put, verdicts, kernel } = startPlane({ policy: { ...defaultPolicy, namespaceQuota } });
    const inBank = (object: Record<string, unknown>) => ({
      ...object,
      metadata: { ...(object.metadata as object), namespace: 'bank' },
    });
    const places = (many: number, net: number) =>
      Array.from({ length: many }, (_, index) => ({ address: `10.0.${net}.${index + 1}` }));
    put(service(), writeSlice('web', places(4, 1)), service({}, 'more'), writeSlice('more', places(2, 2)));
    put(inBank(service()), inBank(writeSlice('web', places(5, 3))));
    const to = (name: string) => ({ to: { kind: 'Service', name } });
    put(
      writeRoute({ name: 'a', port: 2000, created: 1 }),
      // The same endpoints count once.
      writeRoute({ name: 'b', port: 2001, created: 2 }),
      writeRoute({ name: 'c', port: 2002, created: 3, spec: to('more') }),
      writeRoute({ name: 'd', port: 2003, created: 4 }),
      writeRoute({ namespace: 'bank', name: 'e', port: 2004, created: 5 }),
    );
    await plane.sync();
    assert.deepEqual(verdicts(), ['a Admitted', 'b Admitted', 'e Admitted', 'd QuotaExceeded', 'c QuotaExceeded']);
    const messages = plane.report().verdicts.flatMap(({ message }) => message ?? []);
    assert.match(messages[0] ?? '', /^the namespace may have 3 ports on this router; /);
    assert.match(messages[1] ?? '', /^the namespace may have 5 endpoints on this router; /);
    assert.deepEqual(
      kernel.rules?.ports.map(({ port }) => port),
      [2000, 2001, 2004],
    );
    await plane.stop(false);
  });

  it('reports ports of a large change as pending until their slice is in force', async () => {
    const { plane, put, kernel } = startPlane();
    put(service(), writeSlice('web', [{ address: '10.0.0.1' }]), writeRoute({ name: 'first', port: 2000 }));
    await plane.sync();
    for (let port = 3000; port < 3700; port++) put(writeRoute({ name: `r${port}`, port }));
    await plane.sync();
    const open = new Set(kernel.rules?.ports.map(({ port }) => `tcp ${port}`));
    const { verdicts } = plane.report();
    assert.deepEqual([verdicts.length, open.size], [701, 501]);
    for (const { ports, pending, reason } of verdicts) {
      const want = open.has(ports?.[0] ?? '') ? undefined : { what: 'all' };
      assert.deepEqual([pending, reason], [want, undefined]);
    }
    await plane.sync();
    assert.ok(plane.report().verdicts.every(({ pending }) => pending === undefined));
    await plane.stop(false);
  });

  const off = { ownAddresses: () => [] };

  it('is not ready if the node does not forward packets, and reports it', async () => {
    const { plane, put, problems, kernel } = startPlane({}, off);
    kernel.forwarding = { 4: false, 6: true };
    put(service(), writeSlice('web', [{ address: '10.0.0.1' }]), writeRoute());
    await plane.sync();
    const want = /^net\.ipv4\.ip_forward is 0 on the node, so no connection .*; set net\.ipv4\.ip_forward=1$/;
    assert.match(plane.unreadiness ?? '', want);
    assert.match(problems.get('forwarding') ?? '', want);
    assert.match(plane.report().verdicts[0]?.notes.join() ?? '', /^node n1: net\.ipv4\.ip_forward is 0/);
    await plane.stop(false);
  });

  it('needs no forwarding without ports', async () => {
    const { plane, put, problems, kernel } = startPlane({}, off);
    kernel.forwarding = { 4: false, 6: true };
    put(service(), writeRoute());
    await plane.sync();
    assert.deepEqual([plane.unreadiness, problems.size], [undefined, 0]);
    await plane.stop(false);
  });

  it('reports Routes that need endpoints of the node and have none', async () => {
    const { plane, put, verdicts } = startPlane();
    const local = service({ externalTrafficPolicy: 'Local' });
    put(local, writeSlice('web', [{ address: '10.0.0.1', nodeName: 'n2' }]), writeRoute());
    await plane.sync();
    assert.match(plane.unreadiness ?? '', /^tcp 13306: no ready endpoint on this node/);
    assert.match(plane.describePort('tcp/13306') ?? '', /no ready endpoint on this node/);
    assert.match(plane.report().verdicts[0]?.notes.join() ?? '', /^node n1 has no ready endpoint/);
    // One Service must not take the node from all others.
    put(service({}, 'other'), writeSlice('other', [{ address: '10.0.0.2' }]));
    put(writeRoute({ name: 'other', port: 2000, spec: { to: { kind: 'Service', name: 'other' } } }));
    await plane.sync();
    assert.equal(plane.unreadiness, undefined);
    assert.equal(plane.remarks.length, 1);
    assert.deepEqual(
      [plane.describePort('tcp/2000'), plane.describePort('tcp/1')],
      [undefined, 'tcp/1 is not open on this node'],
    );
    put(writeSlice('web', [{ address: '10.0.0.1', nodeName: 'n1' }]));
    await plane.sync();
    assert.deepEqual([plane.remarks, plane.describePort('tcp/13306')], [[], undefined]);
    assert.deepEqual(verdicts(), ['other Admitted', 'web Admitted']);
    await plane.stop(false);
  });

  it('exports the traffic of Routes as metrics, with a sum of those beyond the limit', async () => {
    const { plane, put, metrics, kernel } = startPlane();
    put(service(), writeSlice('web', [{ address: '10.0.0.1' }]));
    for (let index = 0; index < 1002; index++) put(writeRoute({ name: `r${index}`, port: 11_000 + index }));
    await plane.sync();
    const one = { connections: 2, received: 10, sent: 20, refusedByLimit: 1, refusedByList: 0, unserved: 0 };
    const busy = Array.from(
      { length: 1000 },
      (_, index) => [`tcp ${11_000 + index}`, { ...one, connections: 9 }] as const,
    );
    kernel.traffic = new Map([...busy, ['tcp 12000', one], ['tcp 12001', one], ['tcp 9', one]]);
    const lines = (await metrics.registry.metrics()).split('\n');
    const of = (name: string) => lines.filter((line) => line.startsWith(`egress_router_ingress_route_${name}{`));
    assert.equal(of('connections_total').length, 1001);
    assert.ok(
      of('bytes_total').includes(
        'egress_router_ingress_route_bytes_total{namespace="shop",route="r0",protocol="tcp",port="11000",direction="sent"} 20',
      ),
      `${of('bytes_total')[0]}`,
    );
    assert.match(of('connections_total').at(-1) ?? '', /route="others".* 4$/);
    assert.equal(
      of('refused_total').filter((line) => line.includes('reason="limit"') && line.endsWith(' 1')).length,
      1000,
    );
    await plane.stop(false);
  });

  it('rejects the port of a Route that another program translates', async () => {
    const { plane, put, kernel } = startPlane({}, { ownAddresses: () => [address('192.0.2.10')] });
    kernel.foreignNat = { nft: undefined, saved: [{ family: 4, text: hostPort }] };
    put(service(), writeSlice('web', [{ address: '10.0.0.1' }]), writeRoute());
    await plane.sync();
    assert.equal(plane.report().verdicts[0]?.reason, 'PortInUseOnNode');
    kernel.foreignNat = { nft: undefined, saved: [] };
    await plane.stop(false);
  });
});

/** What the plugin portmap writes for a hostPort, beside the Services of kube-proxy. */
const hostPort = `*nat
:PREROUTING ACCEPT [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
:CNI-DN-1 - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-1 - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \\"cbr0\\"" -m multiport --dports 13306 -j CNI-DN-1
-A CNI-DN-1 -p tcp -m tcp --dport 13306 -j DNAT --to-destination 10.244.0.9:3306
-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m tcp --dport 2000 -j KUBE-SVC-1
-A KUBE-SVC-1 -p tcp -j DNAT --to-destination 10.244.0.8:53
COMMIT
`;

describe('findTranslatedPorts', () => {
  const own = [address('192.0.2.10'), address('2001:db8::10')];

  const list = (tables: Parameters<typeof findTranslatedPorts>[0]) =>
    findTranslatedPorts(tables, own).spans.map(({ protocol, first, last }) => `${protocol} ${first}-${last}`);

  it('finds hostPorts, and does not report a Service with the same port', () => {
    const { tables } = readIptables(hostPort, 4, 'iptables');
    assert.deepEqual(list(tables), ['tcp 13306-13306']);
  });

  it('finds nftables rules for an address of the node, and ignores rules for any address', () => {
    const match = (field: string, right: unknown, protocol = 'tcp') => ({
      match: { op: '==', left: { payload: { protocol, field } }, right },
    });
    const rule = (...expr: readonly object[]) => ({ rule: { family: 'ip', table: 'mine', chain: 'pre', expr } });
    const dnat = { dnat: { addr: '10.0.0.9', port: 1 } };
    const nft = {
      nftables: [
        { table: { family: 'ip', name: 'mine' } },
        { chain: { family: 'ip', table: 'mine', name: 'pre', hook: 'prerouting', type: 'nat', policy: 'accept' } },
        rule(match('daddr', '198.51.100.1', 'ip'), match('dport', 13306), dnat),
        rule({ match: { op: '==', left: { meta: { key: 'iifname' } }, right: 'tun0' } }, dnat),
        rule(match('daddr', '192.0.2.10', 'ip'), match('dport', { set: [2001, 2002] }), dnat),
      ],
    };
    assert.deepEqual(list(readNftables(nft).tables), ['tcp 2001-2001', 'tcp 2002-2002']);
  });
});
