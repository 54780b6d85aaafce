import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { Agent } from '../../test/lab/agent-client.ts';
import { Lab } from '../../test/lab/lab.ts';
import { endpointSlice, Manifests, route, service } from '../../test/lab/manifests.ts';
import { addresses as at } from '../../test/lab/names.ts';
import type { Stage } from './stage.ts';

const picture = `
  outside  ──►  node 192.168.12.5 ─ port 18080 ──►  web pod    10.128.10.18:8080
                                  └ port 13306 ──►  mysql pod  10.128.10.30:3306
                (the kernel decides; the pod sees the client's own address)
`;

const program = fileURLToPath(new URL('../../cmd/ingress-agent.ts', import.meta.url));

/** Second act: ports of a web server and a database, opened by annotation. */
export async function playIngress(stage: Stage): Promise<void> {
  stage.act('An ingress agent opens the TCP ports that Routes request');
  stage.show(picture);
  const lab = await Lab.up('erdemo');
  const folder = mkdtempSync(join(tmpdir(), 'erdemo-'));
  let agent: ChildProcess | undefined;
  try {
    await (await lab.agent('pod')).serve('tcp', at.pod[4], 8080);
    for (const host of ['near', 'far'] as const) await (await lab.agent(host)).serve('tcp', at[host][4], 3306);
    const manifests = new Manifests(folder);
    agent = spawn(
      'ip',
      [
        ...['netns', 'exec', lab.netns('node'), process.execPath, program],
        ...['--manifests', manifests.directory, '--node-name', 'node', '--check-interval', '0'],
      ],
      { stdio: 'ignore' },
    );
    await isReady(lab, agent);
    await playPorts(stage, lab, manifests);
  } finally {
    agent?.kill('SIGTERM');
    lab.down();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Waits until the agent is ready. Throws an Error if it exits instead. */
async function isReady(lab: Lab, agent: ChildProcess): Promise<void> {
  for (;;) {
    if (agent.exitCode !== null) throw new Error(`The ingress agent ended with ${agent.exitCode}`);
    if (await answersReady(lab)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function answersReady(lab: Lab): Promise<boolean> {
  const ask = `fetch('http://127.0.0.1:1936/readyz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))`;
  const { exitCode } = await execa('ip', ['netns', 'exec', lab.netns('node'), process.execPath, '-e', ask], {
    reject: false,
  });
  return exitCode === 0;
}

async function playPorts(stage: Stage, lab: Lab, manifests: Manifests): Promise<void> {
  const outsider = await lab.agent('outsider');
  const reach = (port: number): Promise<string> => outsider.reach('tcp', at.node[4], port, { timeout: 500 });

  stage.step('Two applications, each with a Route that requests a port');
  const web = route({ name: 'web', port: 18080, service: 'web', created: '2026-01-01T00:00:00Z' });
  stage.show(JSON.stringify({ annotations: web.metadata.annotations, to: web.spec?.to }));
  manifests.write('web', web, service('web', 8080), endpointSlice('web', 8080, [{ address: at.pod[4], node: 'node' }]));
  manifests.write(
    'mysql',
    route({ name: 'mysql', port: 13306, service: 'mysql', created: '2026-01-01T00:00:00Z' }),
    service('mysql', 3306),
    endpointSlice('mysql', 3306, [{ address: at.near[4], node: 'node' }]),
  );
  stage.claim('outside → node 18080', await until(() => reach(18080), /8080$/), `${at.outsider[4]} ${at.pod[4]} 8080`);
  stage.claim('outside → node 13306', await until(() => reach(13306), /3306$/), `${at.outsider[4]} ${at.near[4]} 3306`);

  stage.step('A second database replaces the first one while a client stays connected');
  stage.claim('the client connects', await outsider.hold('kept', at.node[4], 13306), / 3306$/);
  const endpoints = (...hosts: ('near' | 'far')[]): void =>
    manifests.write(
      'mysql',
      route({ name: 'mysql', port: 13306, service: 'mysql', created: '2026-01-01T00:00:00Z' }),
      service('mysql', 3306),
      endpointSlice(
        'mysql',
        3306,
        hosts.map((host) => ({ address: at[host][4], node: host === 'near' ? 'node' : 'elsewhere' })),
      ),
    );
  endpoints('near', 'far');
  endpoints('far');
  stage.claim(
    'new connections',
    await until(() => reach(13306), new RegExp(at.far[4])),
    `10.128.20.1 ${at.far[4]} 3306`,
  );
  stage.claim('the old connection', await say(outsider, 'SELECT 1'), 'SELECT 1');

  stage.step('A younger Route of another namespace requests the same port and is rejected with the reason');
  manifests.write(
    'thief',
    route({ name: 'thief', namespace: 'other', port: 13306, service: 'x', created: '2026-06-01T00:00:00Z' }),
  );
  stage.claim(
    'its status',
    await until(() => Promise.resolve(manifests.reasonOf('thief')), /Claimed/),
    'PortAlreadyClaimed',
  );
  stage.claim('outside → node 13306', await reach(13306), `10.128.20.1 ${at.far[4]} 3306`);

  stage.step('An allow-list rejects all other clients');
  const guarded = route({
    name: 'web',
    port: 18080,
    service: 'web',
    created: '2026-01-01T00:00:00Z',
    allow: '192.168.12.200',
  });
  manifests.write(
    'web',
    guarded,
    service('web', 8080),
    endpointSlice('web', 8080, [{ address: at.pod[4], node: 'node' }]),
  );
  stage.claim('outside → node 18080', await until(() => reach(18080), /timeout/), 'timeout');
  await lab.ip('outsider', 'address add 192.168.12.200/24 dev eth0');
  const welcome = await outsider.reach('tcp', at.node[4], 18080, { from: '192.168.12.200' });
  stage.claim('192.168.12.200 → node 18080', welcome, `192.168.12.200 ${at.pod[4]} 8080`);
}

async function say(agent: Agent, text: string): Promise<string> {
  return agent.say('kept', text);
}

/** Milliseconds after which a claim has failed. Only a failure takes this long. */
const patience = 60_000;

/** Repeats a request until the answer matches. Returns the last answer. */
async function until(ask: () => Promise<string>, hoped: RegExp): Promise<string> {
  for (const deadline = Date.now() + patience; ; ) {
    const answer = await ask();
    if (hoped.test(answer) || Date.now() > deadline) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
