import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'mocha';
import { listDocumentSchema } from '../../../src/egress/inspect/list-document.ts';
import { inspectDocumentSchema } from '../../../src/egress/inspect/report-document.ts';
import { type TraceDocument, traceDocumentSchema } from '../../../src/egress/inspect/trace-document.ts';
import { watchDocumentSchema } from '../../../src/egress/inspect/watch-document.ts';
import { runErctlOn } from '../../lab/erctl.ts';
import { Lab } from '../../lab/lab.ts';
import { addresses as at } from '../../lab/names.ts';
import { configure } from '../egress/cni/configurations.ts';

describe('erctl on a node', function () {
  this.timeout(60_000);
  let lab: Lab;
  const config = configure([4, 6], { fallbackIP: [at.fallback[4]] });
  before(async () => {
    lab = await Lab.up('erctln');
    await lab.serveOutside({ tcp: [80, 443], udp: [80] });
    const args = 'IgnoreUnknown=1;K8S_POD_NAMESPACE=erctln;K8S_POD_NAME=egress-1';
    const added = await lab.plugin('ADD', config, { args });
    assert.equal(added.status, 0, added.stdout);
  });
  after(() => lab.down());

  const trace = async (...args: string[]): Promise<{ status: number; document: TraceDocument }> => {
    const { status, stdout, stderr } = await runErctlOn(lab, [
      'trace',
      '--pod',
      'erctln/egress-1',
      '-o',
      'json',
      ...args,
    ]);
    assert.ok(status < 2, stderr);
    return { status, document: traceDocumentSchema.parse(JSON.parse(stdout)) };
  };

  it('lists the attachment with its pod, addresses and ports', async () => {
    const { status, stdout } = await runErctlOn(lab, ['list', '--output', 'json']);
    assert.equal(status, 0);
    const { attachments } = listDocumentSchema.parse(JSON.parse(stdout));
    const ours = attachments.find(({ container }) => container === 'erctln-container');
    assert.deepEqual(ours, {
      container: 'erctln-container',
      interface: 'net1',
      pod: 'erctln/egress-1',
      network: 'erlab-net',
      netns: lab.path('pod'),
      addresses: [`${at.reserved[4]}/24`, `${at.reserved[6]}/64`],
      master: 'eth1',
      backend: 'iptables',
      redirects: 6,
      state: 'attached',
    });
  });

  const names: { name: string; args: () => string[] }[] = [
    { name: 'its pod', args: () => ['--pod', 'erctln/egress-1'] },
    { name: 'the beginning of its container', args: () => ['--attachment', 'erctln-con'] },
    { name: 'its container and interface', args: () => ['--attachment', 'erctln-container@net1'] },
    { name: 'the path of its namespace', args: () => ['--netns', lab.path('pod')] },
    { name: 'the name of its namespace', args: () => ['--netns', 'erctln-pod', '--interface', 'net1'] },
  ];
  for (const { name, args } of names) {
    it(`finds a router of both families by ${name}, without problems`, async () => {
      const { status, stdout, stderr } = await runErctlOn(lab, ['inspect', '-o', 'json', ...args()]);
      assert.equal(stderr, '');
      const { routers } = inspectDocumentSchema.parse(JSON.parse(stdout));
      assert.deepEqual(
        routers.map(({ problems }) => problems),
        [[]],
      );
      assert.deepEqual(
        routers[0]?.addresses.map(({ gateway }) => gateway.answer),
        ['answers', 'answers'],
      );
      assert.equal(status, 0);
    });
  }

  it('finds a router by a process in the pod', async () => {
    await lab.agent('pod');
    const pid = (await lab.run('pod', 'ip', ['netns', 'pids', lab.netns('pod')])).split('\n')[0] ?? '';
    const { status } = await runErctlOn(lab, ['inspect', '--pid', pid]);
    assert.equal(status, 0);
  });

  it('cannot examine a namespace without a router, and exits with status 2', async () => {
    const { status, stderr } = await runErctlOn(lab, ['inspect', '--netns', lab.path('near')]);
    assert.match(stderr, /^erctl: There is no egress router in /);
    assert.equal(status, 2);
  });

  for (const family of [4, 6] as const) {
    it(`traces a redirect like the packets, by IPv${family}, and tries it`, async () => {
      const { status, document } = await trace('--port', '8080', '--from', at.far[family], '--send');
      const target = family === 4 ? `${at.web[4]}:80` : `[${at.web[6]}]:80`;
      assert.equal(document.goes, 'redirected');
      assert.equal(document.target, target);
      assert.equal(document.source, at.reserved[family]);
      assert.equal(document.attempt?.outcome, 'connected');
      assert.match(document.steps.join('\n'), /leaves through net1 via .*, table 5201\.\n/);
      assert.match(document.steps.join('\n'), /returns to the client through eth0 via .*, table 5301\.$/);
      assert.equal(status, 0);
      // What was said is what happens.
      const far = await lab.agent('far');
      assert.equal(await far.reach('tcp', at.pod[family], 8080), `${at.reserved[family]} ${at.web[family]} 80`);
    });
  }

  it('traces the fallback, a datagram, and rejected and dropped packets', async () => {
    assert.deepEqual(pick(await trace('--port', '443')), ['redirected', 'fallback', `${at.fallback[4]}:443`, 0]);
    assert.deepEqual(pick(await trace('--proto', 'udp', '--port', '80', '--send')), [
      'redirected',
      'redirect',
      `${at.datagrams[4]}:80`,
      0,
    ]);
    assert.deepEqual(pick(await trace('--port', '22', '--from', at.far[6])), ['delivered', undefined, undefined, 1]);
    assert.deepEqual(pick(await trace('--port', '8080', '--to', '198.51.100.7')), ['refused', undefined, undefined, 1]);
    assert.deepEqual(pick(await trace('--port', '8080', '--incoming', 'net1')), ['dropped', undefined, undefined, 1]);
  });

  function pick({ status, document }: { status: number; document: TraceDocument }): unknown[] {
    return [document.goes, document.by, document.target, status];
  }

  it('reports why a tried connection failed', async () => {
    // The fallback has no server on this port.
    const { status, document } = await trace('--port', '9', '--send');
    assert.equal(document.attempt?.outcome, 'ECONNREFUSED');
    assert.deepEqual(
      document.problems.map(({ code }) => code),
      ['target-refuses'],
    );
    assert.equal(status, 1);
  });

  it('shows connections and bytes of each rule', async () => {
    const far = await lab.agent('far');
    await far.hold('watched', at.pod[4], 8443);
    const { status, stdout } = await runErctlOn(lab, [
      'watch',
      '--pod',
      'erctln/egress-1',
      '--count',
      '1',
      '-o',
      'json',
    ]);
    assert.equal(status, 0);
    const document = watchDocumentSchema.parse(JSON.parse(stdout));
    const row = document.rows.find(({ rule, target }) => rule === '8443/tcp' && target === `${at.secure[4]}:443`);
    assert.equal(row?.connections, 1);
    assert.equal(document.counted, true);
  });

  it('shows the traffic of all routers of the node, and the log of one', async () => {
    const far = await lab.agent('far');
    assert.match(await far.reach('tcp', at.pod[4], 8080), /80$/);
    const top = await runErctlOn(lab, ['top', '--count', '1', '--output', 'json']);
    assert.equal(top.status, 0, top.stderr);
    const documents = top.stdout
      .trim()
      .split('\n')
      .map((line) => watchDocumentSchema.parse(JSON.parse(line)));
    assert.ok(documents.some(({ pod }) => pod === 'erctln/egress-1'));
    const table = await runErctlOn(lab, ['top', '--count', '1']);
    assert.match(table.stdout, /erctln\/egress-1/);
    const logs = await runErctlOn(lab, ['logs', '--pod', 'erctln/egress-1']);
    assert.equal(logs.status, 0, logs.stderr);
    assert.match(logs.stdout, /Called CNI ADD\n/);
    assert.ok(logs.stdout.includes(`IP Source Addresses: [${at.reserved[4]}/24`));
    const last = await runErctlOn(lab, ['logs', '--pod', 'erctln/egress-1', '--tail', '1']);
    assert.match(last.stdout, /^\S+ \[\w+\] [^\n]+\n?$/);
  });

  it('leaves the pod unchanged', async () => {
    const before = await lab.describe('pod');
    await runErctlOn(lab, ['inspect', '--pod', 'erctln/egress-1', '--connect']);
    assert.equal(await lab.describe('pod'), before);
  });

  it('removes the connection accounting with the router, and its file', async () => {
    const read = (): Promise<string> => lab.run('pod', 'cat', ['/proc/sys/net/netfilter/nf_conntrack_acct']);
    assert.equal(await read(), '1');
    assert.equal((await lab.plugin('DEL', config)).status, 0);
    assert.equal(await read(), '0');
    assert.throws(() => readFileSync('/run/egress-router/erctln-container@net1.json'));
  });
});
