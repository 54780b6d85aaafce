import { HttpNode } from '../lab/http-node.ts';
import { runIn } from '../lab/namespaces.ts';
import { route, service } from '../netns/ingress/http/objects.ts';
import { makeRandom } from './random.ts';

/** What a run of the harness saw. */
export interface AgentKillFigures {
  kills: number;
  /** Requests by host and by port that were answered as they should be. */
  answers: number;
  /** Those that were not; a sample. */
  failures: string[];
  /** Changes that the next agent did not put in force. */
  lost: string[];
  /** What was there after an orderly end and should not be. */
  leftovers: string[];
}

/** How a run goes. */
export interface AgentKillOptions {
  readonly seconds: number;
  /** Begins the sequence of what is killed when. */
  readonly seed: number;
}

/** Milliseconds: a little longer than an agent takes until it is ready. */
const longestLife = 700;
const port = 13_306;

/**
 * Kills the ingress agent (SIGKILL) at random moments of its start and its work, while clients ask by host
 * and by port and Routes change. HAProxy and the rules of ports outlive it, so no request may fail; the
 * next agent puts in force what was changed meanwhile; an orderly end leaves nothing.
 */
export async function killAgent(prefix: string, { seconds, seed }: AgentKillOptions): Promise<AgentKillFigures> {
  const node = new HttpNode(prefix, {
    ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms',
    ROUTER_MAX_SHUTDOWN_TIMEOUT: '1s',
    RELOAD_INTERVAL: '1s',
  });
  const figures: AgentKillFigures = { kills: 0, answers: 0, failures: [], lost: [], leftovers: [] };
  try {
    await node.up();
    for (const [name, own] of [
      ['one', 8001],
      ['two', 8002],
    ] as const)
      await node.serve({ name, port: own });
    node.write('services', ...service('web', [8001]), ...service('other', [8002]));
    node.write(
      'routes',
      route('still', 'still.test'),
      route('port', 'port.test', { annotations: { 'external-tcp-port': `${port}` } }),
    );
    await node.start();
    const traffic = new Traffic(node, figures);
    await killAgain(node, figures, { end: Date.now() + seconds * 1000, random: makeRandom(seed) });
    await node.end('SIGKILL');
    await traffic.stop();
    await node.start('--cleanup-on-exit');
    await node.end('SIGTERM');
    const tables = await runIn(prefix, 'nft', ['list', 'tables']);
    const processes = await runIn(prefix, 'pgrep', ['-a', 'haproxy', '--ns', `${process.pid}`]).catch(() => '');
    figures.leftovers.push(...[tables, processes].filter((text) => text !== ''));
    return figures;
  } finally {
    await node.end('SIGKILL');
    node.down();
  }
}

async function killAgain(
  node: HttpNode,
  figures: AgentKillFigures,
  { end, random }: { readonly end: number; readonly random: () => number },
): Promise<void> {
  let generation = 0;
  const isWell = (): boolean => figures.failures.length === 0 && figures.lost.length === 0;
  while (Date.now() < end && isWell()) {
    await node.end('SIGKILL');
    figures.kills++;
    const moved = route('moving', 'moving.test', { service: ++generation % 2 === 0 ? 'web' : 'other' });
    const added = route(`new-${generation}`, `new-${generation}.test`);
    const change = (): void => node.write('changing', moved, added);
    const changing = setTimeout(change, random() * longestLife);
    const isLookedAt = random() < 0.3;
    if (isLookedAt) await node.start();
    else {
      node.launch();
      await sleep(random() * longestLife);
    }
    clearTimeout(changing);
    change();
    if (isLookedAt) await expectChange(node, generation, figures);
  }
}

/** The newest Routes are served in a while, and those before are not any more. */
async function expectChange(node: HttpNode, generation: number, { lost }: AgentKillFigures): Promise<void> {
  const expected = `${generation % 2 === 0 ? 'one' : 'two'} 200 503`;
  let seen = '';
  for (const end = Date.now() + 5000; Date.now() < end && seen !== expected; await sleep(20)) {
    const moving = await node.ask('http', 'moving.test', '/');
    const added = await node.ask('http', `new-${generation}.test`, '/');
    const before = await node.ask('http', `new-${generation - 1}.test`, '/');
    seen = `${moving.echo?.server} ${added.status} ${before.status}`;
  }
  if (seen !== expected) lost.push(`generation ${generation}: ${seen}`);
}

/** Clients that ask all the time. */
class Traffic {
  readonly #loops: readonly Promise<void>[];
  #isOver = false;

  constructor(node: HttpNode, figures: AgentKillFigures) {
    const ways = [{}, {}, { address: '10.97.0.2', port }, { address: '10.97.0.2', port }];
    this.#loops = ways.map(async (way) => {
      while (!this.#isOver) {
        const { status, error } = await node.ask('http', 'still.test', '/', way);
        if (status === 200) figures.answers++;
        else if (figures.failures.length < 10)
          figures.failures.push(`${JSON.stringify(way)} after ${figures.kills} kills: ${status} ${error ?? ''}`);
      }
    });
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#loops);
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
