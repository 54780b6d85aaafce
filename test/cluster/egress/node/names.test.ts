import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from 'mocha';
import {
  type NameReply,
  type NameRequest,
  namesSocket,
  readNameReply,
} from '../../../../src/egress/model/name-request.ts';
import { TestDns } from '../../../lab/dns-server.ts';
import { executable } from '../../../lab/executable.ts';
import { Lab } from '../../../lab/lab.ts';
import { addresses as at } from '../../../lab/names.ts';
import { type Variant, variants } from '../../../lab/plugin.ts';
import { asPrivileged } from '../../../lab/rights.ts';
import { inNamespace } from '../../../netns/base/linux/wire.ts';
import { configure } from '../../../netns/egress/cni/configurations.ts';
import { until } from '../../../until.ts';
import { type KubeObject, TestApiServer } from '../../lab/api-server.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';
import { Program } from '../../lab/program.ts';

const pods = '/api/v1/pods';
const definitions = '/apis/k8s.cni.cncf.io/v1/network-attachment-definitions';
const events = '/api/v1/events';
const dnsPort = 5300;
const log = '/var/log/egress-router/ername';
const name = 'api.partner.example';
const prefix = 'ername';

describe('names as destinations, on the compiled plugin and node daemon', function () {
  this.timeout(180_000);
  let lab: Lab;
  let server: TestApiServer;
  let dns: TestDns;
  let folder: string;
  let daemon: Program | undefined;
  let kubeconfig: string;

  beforeEach(async () => {
    rmSync(log, { force: true });
    rmSync('/run/egress-router/names', { recursive: true, force: true });
    lab = await Lab.up(prefix);
    await lab.serveOutside({ tcp: [80, 443], udp: [80] });
    folder = mkdtempSync(join(tmpdir(), 'names-'));
    server = new TestApiServer([pods, definitions, events], { address: 'any' });
    kubeconfig = writeKubeconfig(folder, await inNamespace(lab.netns('node'), () => server.start()));
    dns = new TestDns();
    await inNamespace(lab.netns('node'), () => dns.start(dnsPort));
  });
  afterEach(async () => {
    await daemon?.end();
    daemon = undefined;
    lab.down();
    dns.stop();
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  const digest = (config: string): string => hash('sha256', config).slice(0, 16);
  const annotations = (): Record<string, string | null> =>
    (server.get(pods, 'shop/router')?.metadata.annotations ?? {}) as Record<string, string | null>;
  const messages = (): string[] =>
    server.all(events).map(({ reason, message }) => `${String(reason)}: ${String(message)}`);
  const pluginLog = (): string => (existsSync(log) ? readFileSync(log, 'utf8') : '');

  function writeConfig(ip: Readonly<Record<string, unknown>>, families: readonly (4 | 6)[] = [4]): string {
    return JSON.stringify(configure(families, ip, { log_file: log }));
  }

  async function start(...more: readonly string[]): Promise<void> {
    const names = ['--resolver', `127.0.0.1:${dnsPort}`, ...(more.includes('--min-ttl') ? [] : ['--min-ttl', '200ms'])];
    const options = ['--kubeconfig', kubeconfig, '--node-name', 'n1', ...names, ...more];
    const install = ['--source', executable('egress-router'), '--target', folder];
    const rights = asPrivileged('node/daemonset.yaml');
    const program = [...rights, executable('egress-router-node'), ...options, ...install];
    daemon = new Program('/sbin/ip', ['netns', 'exec', lab.netns('node'), ...program]);
    await until(
      () => daemon?.output.includes('The node daemon runs') === true && server.watchCount === 2,
      () => daemon?.output,
      30_000,
    );
  }

  async function add(config: string, variant: Variant = 'nftables') {
    server.put(definitions, { metadata: { namespace: 'shop', name: 'nad' }, spec: { config } });
    server.put(pods, {
      metadata: {
        namespace: 'shop',
        name: 'router',
        uid: 'pod-1',
        annotations: { 'k8s.v1.cni.cncf.io/networks': '[{"name":"nad"}]' },
      },
      spec: { nodeName: 'n1' },
    } as KubeObject);
    const args = 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=router';
    return lab.plugin('ADD', JSON.parse(config), { args, variant });
  }

  async function addRouter(config: string, variant?: Variant): Promise<unknown> {
    const { status, stdout } = await add(config, variant);
    assert.equal(status, 0, stdout);
    return JSON.parse(stdout);
  }

  async function applied(config: string): Promise<void> {
    await until(
      () => annotations()['egress-router.io/applied'] === digest(config),
      () => [annotations(), daemon?.output.slice(-1500)],
      30_000,
    );
  }

  /** Waits until a connection ends as expected. */
  async function reaches(port: number, expected: string): Promise<void> {
    const client = await lab.agent('far');
    let seen = '';
    for (const end = Date.now() + 30_000; Date.now() < end && seen !== expected; ) {
      seen = await client.reach('tcp', at.pod[4], port);
    }
    assert.equal(seen, expected, `${daemon?.output.slice(-2000)}`);
  }

  const web = `${at.reserved[4]} ${at.web[4]} 443`;
  const secure = `${at.reserved[4]} ${at.secure[4]} 443`;

  for (const variant of variants) {
    it(`follows a name to new addresses and keeps established connections, rules by ${variant}`, async () => {
      dns.names.set(name, { a: [at.web[4]] });
      await start('--check-interval', '300ms');
      const config = writeConfig({ destinations: [`8443 TCP ${name} 443`, `8080 TCP ${at.web[4]} 80`] });
      const result = await addRouter(config, variant);
      const client = await lab.agent('far');
      // ADD has the answer already.
      assert.equal(await client.reach('tcp', at.pod[4], 8443), web);
      await applied(config);
      assert.equal(await client.hold('stays', at.pod[4], 8443), web);
      dns.names.set(name, { a: [at.secure[4]] });
      await reaches(8443, secure);
      assert.equal(await client.say('stays', 'still there'), 'still there');
      const prevResult = { ...(result as object) };
      const checked = await lab.plugin('CHECK', { ...JSON.parse(config), prevResult }, { variant });
      assert.equal(checked.status, 0, checked.stdout);
      const asked = dns.queries.length;
      // The name is gone: the port is refused, and nothing reaches the old address.
      dns.names.delete(name);
      await reaches(8443, 'ECONNREFUSED');
      assert.ok(dns.queries.length > asked);
      assert.equal(await client.reach('tcp', at.pod[4], 8080), `${at.reserved[4]} ${at.web[4]} 80`);
      await until(() => messages().some((one) => one.includes(`NameUnresolved: ${name}`)), messages);
      dns.names.set(name, { a: [at.web[4]] });
      await reaches(8443, web);
      assert.equal(await client.say('stays', 'to the end'), 'to the end');
      await until(() => messages().some((one) => one.includes(`NameResolved: ${name}`)), messages);
      assert.ok(!messages().some((one) => one.startsWith('RouterChanged')), messages().join('\n'));
      const removed = await lab.plugin('DEL', JSON.parse(config), { variant });
      assert.equal(removed.status, 0, removed.stdout);
    });
  }

  it('loses no connection in a hundred changes under load', async function () {
    this.timeout(900_000);
    const sets = [[at.web[4]], [at.secure[4]], [at.web[4], at.secure[4], at.fallback[4]]];
    dns.names.set(name, { a: sets[0] ?? [], ttl: 0 });
    await start('--min-ttl', '100ms');
    const config = writeConfig({ destinations: [`8443 TCP ${name} 443`, `53 UDP ${name} 80`] });
    await addRouter(config);
    const client = await lab.agent('far');
    await client.hammer('tcp', 'tcp', at.pod[4], 8443, { timeout: 8000 });
    await client.hammer('udp', 'udp', at.pod[4], 53, { timeout: 2000 });
    for (let change = 1; change <= 100; change++) {
      dns.names.set(name, { a: sets[change % sets.length] ?? [], ttl: 0 });
      // Not at every turn: the output grows.
      while ((daemon?.output.match(/Applied new addresses/g)?.length ?? 0) < change) await pause(40);
    }
    for (const [hammer, port] of [
      ['tcp', 443],
      ['udp', 80],
    ] as const) {
      const report = await client.stopHammer(hammer);
      const good = [at.web[4], at.secure[4], at.fallback[4]].map((to) => `${at.reserved[4]} ${to} ${port}`);
      assert.deepEqual(
        Object.keys(report).filter((key) => !good.includes(key)),
        [],
        JSON.stringify(report),
      );
      assert.ok(Object.values(report).reduce((sum, count) => sum + count, 0) > 100, JSON.stringify(report));
    }
  });

  it('never leads inside, whatever a zone says, unless an administrator allows it', async () => {
    const inside = [
      '127.0.0.1',
      '169.254.169.254',
      '0.0.0.0',
      '224.0.0.1',
      at.node[4],
      at.far[4],
      '10.128.10.77',
      at.reserved[4],
    ];
    dns.names.set(name, { a: inside });
    dns.names.set('allowed.partner.example', { a: ['198.18.0.1', at.web[4]] });
    await start(
      '--allow-destinations',
      `${at.web[4]}/32`,
      '--cluster-networks',
      `${at.web[4]}/24,198.18.0.0/15,10.128.0.0/14`,
    );
    const config = writeConfig({
      destinations: [`8443 TCP ${name} 443`, '8444 TCP allowed.partner.example 443', '8445 TCP db.shop.svc 443'],
      fallbackName: name,
    });
    await addRouter(config);
    const client = await lab.agent('far');
    assert.equal(await client.reach('tcp', at.pod[4], 8443), 'ECONNREFUSED');
    assert.equal(await client.reach('tcp', at.pod[4], 8444), web);
    assert.equal(await client.reach('tcp', at.pod[4], 8445), 'ECONNREFUSED');
    assert.equal(await client.reach('tcp', at.pod[4], 9999), 'ECONNREFUSED');
    const rules = await lab.run('pod', 'nft', ['list', 'ruleset']);
    const translations = rules.split('\n').filter((line) => line.includes('dnat ip to'));
    assert.deepEqual(
      translations.map((line) => line.trim()),
      [`meta l4proto tcp dnat ip to ${at.web[4]}:443`],
    );
    assert.equal(dns.count('db.shop.svc'), 0);
    assert.match(pluginLog(), /DNS name api\.partner\.example: .*127\.0\.0\.1 is in 127\.0\.0\.0\/8/);
    await until(
      () => messages().some((one) => /NameUnresolved: db\.shop\.svc .*must be a name outside the cluster/.test(one)),
      messages,
    );
  });

  it('rejects names with code 11 without a daemon, and serves routers without names as ever', async () => {
    const { status, json } = await add(writeConfig({ destinations: [`8443 TCP ${name} 443`] }));
    assert.deepEqual([status, json?.code], [1, 11]);
    assert.match(json?.msg ?? '', /Cannot resolve api\.partner\.example: no egress-router-node answers/);
    await addRouter(writeConfig({ destinations: [`8443 TCP ${at.web[4]} 443`] }));
    assert.equal(await (await lab.agent('far')).reach('tcp', at.pod[4], 8443), web);
  });

  it('starts with the port refused where DNS is silent, within the bound, and opens it later', async () => {
    dns.names.set(name, { isSilent: true });
    await start();
    const config = writeConfig({ destinations: [`8443 TCP ${name} 443`], fallbackIP: at.fallback[4] });
    const begun = Date.now();
    await addRouter(config);
    const took = Date.now() - begun;
    assert.ok(took < 6000, `${took} ms`);
    const client = await lab.agent('far');
    assert.equal(await client.reach('tcp', at.pod[4], 8443), 'ECONNREFUSED');
    // Other ports have the fallback.
    assert.equal(await client.reach('tcp', at.pod[4], 443), `${at.reserved[4]} ${at.fallback[4]} 443`);
    assert.match(pluginLog(), /DNS name api\.partner\.example has no usable address; its ports are refused/);
    dns.names.set(name, { a: [at.web[4]] });
    await reaches(8443, web);
  });

  it('keeps the last answer while no server answers, also over a restart, and refuses after the time', async () => {
    dns.names.set(name, { a: [at.web[4]], ttl: 1 });
    await start('--stale-time', '4s');
    await addRouter(writeConfig({ destinations: [`8443 TCP ${name} 443`] }));
    await reaches(8443, web);
    dns.names.set(name, { code: 2 });
    const failing = dns.count(name);
    await until(
      () => dns.count(name) > failing,
      () => dns.queries,
      30_000,
    );
    assert.equal(await (await lab.agent('far')).reach('tcp', at.pod[4], 8443), web);
    await daemon?.end('SIGTERM');
    await start('--stale-time', '4s');
    assert.equal(await (await lab.agent('far')).reach('tcp', at.pod[4], 8443), web);
    await reaches(8443, 'ECONNREFUSED');
    await until(() => messages().some((one) => /NameUnresolved: .*SERVFAIL/.test(one)), messages, 30_000);
  });

  it('takes no forged answer, no record that it did not ask for, and asks by TCP what is cut off or guessed at', async () => {
    const forged = { address: at.fallback[4], count: 3 } as const;
    dns.names.set('id.example', { a: [at.web[4]], forged: { ...forged, by: 'id' } });
    dns.names.set('name.example', {
      a: [at.web[4]],
      forged: { ...forged, by: 'name' },
      also: { name, address: at.fallback[4] },
    });
    dns.names.set('guess.example', { a: [at.web[4]], forged: { ...forged, count: 100, by: 'id' } });
    const many = Array.from({ length: 50 }, (_, index) => `203.0.113.${index + 100}`);
    dns.names.set('many.example', { a: many, isTruncated: true });
    dns.names.set('alias.example', { cname: 'one.example' });
    dns.names.set('one.example', { cname: 'two.example' });
    dns.names.set('two.example', { a: [at.secure[4]] });
    dns.names.set('loop.example', { cname: 'pool.example' });
    dns.names.set('pool.example', { cname: 'loop.example' });
    dns.names.set('six.example', { aaaa: ['20010db8020300000000000000000026'] });
    await start();
    const names = ['id', 'name', 'guess', 'many', 'alias', 'loop', 'six'];
    await addRouter(writeConfig({ destinations: names.map((one, index) => `${8000 + index} TCP ${one}.example 443`) }));
    const client = await lab.agent('far');
    for (const port of [8000, 8001, 8002]) assert.equal(await client.reach('tcp', at.pod[4], port), web);
    assert.ok(dns.tcpQueries >= 2, `${dns.tcpQueries}`);
    const rules = await lab.run('pod', 'nft', ['list', 'ruleset']);
    for (const address of many) assert.ok(rules.includes(address), address);
    assert.ok(!rules.includes(at.fallback[4]), rules);
    assert.equal(await client.reach('tcp', at.pod[4], 8004), secure);
    for (const port of [8005, 8006]) assert.equal(await client.reach('tcp', at.pod[4], port), 'ECONNREFUSED');
    assert.match(pluginLog(), /DNS name loop\.example: .*aliases of the name lead back/);
    // One family is reserved, so only that one is asked for.
    assert.ok(!dns.queries.some((query) => query.endsWith(' AAAA')), dns.queries.join());
    assert.ok(dns.sourcePorts.size > 4 && dns.ids.size > 4, `${dns.sourcePorts.size} ${dns.ids.size}`);
  });

  it('serves each family by the addresses that a name has of it', async () => {
    dns.names.set('six.example', { aaaa: ['20010db8020300000000000000000026'] });
    dns.names.set('both.example', { a: [at.web[4]], aaaa: ['20010db8020300000000000000000026'] });
    await start();
    const config = writeConfig({ destinations: ['8006 TCP six.example 443', '8046 TCP both.example 443'] }, [4, 6]);
    await addRouter(config);
    const client = await lab.agent('far');
    const six = `${at.reserved[6]} ${at.web[6]} 443`;
    assert.equal(await client.reach('tcp', at.pod[6], 8006), six);
    assert.equal(await client.reach('tcp', at.pod[4], 8006), 'ECONNREFUSED');
    assert.equal(await client.reach('tcp', at.pod[6], 8046), six);
    assert.equal(await client.reach('tcp', at.pod[4], 8046), web);
  });

  it('asks once for a name however often it is used, and for no more names than a namespace may have', async () => {
    for (let index = 0; index < 1000; index++) dns.names.set(`n${index}.example`, { a: [at.web[4]], ttl: 60 });
    await start('--max-names', '900');
    const lines = Array.from({ length: 1000 }, (_, index) => [
      `${10_000 + index} TCP n${index}.example 443`,
      `${10_000 + index} UDP n${index}.example 80`,
    ]).flat();
    await addRouter(writeConfig({ destinations: lines }));
    await reaches(10_000, web);
    await reaches(10_899, web);
    const client = await lab.agent('far');
    assert.equal(await client.reach('tcp', at.pod[4], 10_900), 'ECONNREFUSED');
    await until(
      () => new Set(dns.queries).size >= 900,
      () => dns.queries.length,
      30_000,
    );
    assert.equal(new Set(dns.queries).size, 900);
    // Only a query that was not answered in time is repeated.
    assert.ok(dns.queries.length < 1350, `${dns.queries.length}`);
  });

  it('asks once for each name when 100 routers start at once, and again only when the answer is used up', async () => {
    const names = Array.from({ length: 10 }, (_, index) => `n${index}.example`);
    for (const one of names) dns.names.set(one, { a: [at.web[4]], ttl: 60 });
    await start();
    const ask = async (user: string): Promise<NameReply | undefined> => {
      const socket = connect(namesSocket);
      const request: NameRequest = { namespace: 'shop', user, names, families: [4] };
      // The daemon answers and then closes the connection.
      socket.write(`${JSON.stringify(request)}\n`);
      const chunks: Buffer[] = [];
      for await (const chunk of socket) chunks.push(chunk as Buffer);
      return readNameReply(JSON.parse(Buffer.concat(chunks).toString()));
    };
    const replies = await Promise.all(Array.from({ length: 100 }, (_, index) => ask(`c${index}@net1`)));
    for (const reply of replies) {
      assert.deepEqual(
        reply?.answers.map(({ addresses }) => addresses[0]?.text),
        names.map(() => at.web[4]),
      );
    }
    await addRouter(writeConfig({ destinations: names.map((one, index) => `${8000 + index} TCP ${one} 443`) }));
    await reaches(8009, web);
    assert.equal(new Set(dns.queries).size, 10);
    // Only a query that was not answered in time is repeated, which no name needs more than a few times.
    assert.ok(dns.queries.length <= 40, dns.queries.join());
  });

  it('changes from an address to a name and to another name without losing what stays', async () => {
    dns.names.set(name, { a: [at.web[4]] });
    dns.names.set('other.example', { a: [at.secure[4]] });
    await start();
    const change = async (destination: string): Promise<void> => {
      const config = writeConfig({ destinations: [destination] });
      server.put(definitions, { metadata: { namespace: 'shop', name: 'nad' }, spec: { config } });
      await applied(config);
    };
    await addRouter(writeConfig({ destinations: [`8443 TCP ${at.web[4]} 443`] }));
    const client = await lab.agent('far');
    assert.equal(await client.hold('stays', at.pod[4], 8443), web);
    await change(`8443 TCP ${name} 443`);
    assert.equal(await client.reach('tcp', at.pod[4], 8443), web);
    assert.equal(await client.say('stays', 'same address'), 'same address');
    await change('8443 TCP other.example 443');
    assert.equal(await client.reach('tcp', at.pod[4], 8443), secure);
    // Its name is no destination any more.
    assert.notEqual(await client.say('stays', 'gone'), 'gone');
  });

  it('ends connections to an address that a name lost, after the drain time, although the daemon was killed', async () => {
    dns.names.set(name, { a: [at.web[4]] });
    dns.names.set('other.example', { a: [at.web[4]] });
    await start('--drain-time', '6s');
    const destinations = [`8443 TCP ${name} 443`, '8444 TCP other.example 443'];
    await addRouter(writeConfig({ destinations, fallbackName: name }));
    const client = await lab.agent('far');
    assert.equal(await client.hold('drains', at.pod[4], 8443), web);
    assert.equal(await client.hold('shares', at.pod[4], 8444), web);
    assert.equal(await client.hold('falls', at.pod[4], 443), web);
    dns.names.set(name, { a: [at.secure[4]] });
    await reaches(8443, secure);
    const drains = '/run/egress-router/names/drains.json';
    const recorded = (): string => (existsSync(drains) ? readFileSync(drains, 'utf8') : '');
    await until(() => recorded().includes('"ends"'), recorded, 20_000);
    const begun = Date.now();
    await daemon?.end('SIGKILL');
    assert.equal(await client.say('drains', 'x'), 'x');
    assert.equal(await client.say('falls', 'x'), 'x');
    await start('--drain-time', '6s');
    const ended = async (connection: string): Promise<void> => {
      let echo = 'x';
      for (const end = begun + 60_000; Date.now() < end && echo === 'x'; ) echo = await client.say(connection, 'x');
      assert.notEqual(echo, 'x', recorded());
    };
    await ended('drains');
    await ended('falls');
    // Another name has the same address.
    assert.equal(await client.say('shares', 'x'), 'x');
    await until(() => !recorded().includes('"ends"'), recorded, 20_000);
  });
});
