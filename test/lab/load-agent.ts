/**
 * A client that sends requests without pause and counts failures, in one namespace. It follows commands of its IPC
 * channel and ends with its parent.
 */
import { Agent, request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Where to connect, and the host to ask for. */
export interface Place {
  readonly address: string;
  readonly port: number;
  readonly host: string;
}

export type LoadCommand =
  /** Sends requests to all places until `stop`: on kept connections, on new ones, and on held WebSockets. */
  | { readonly do: 'start'; readonly places: readonly Place[] }
  /** Answers with the milliseconds until a place answers 200. */
  | { readonly do: 'find'; readonly place: Place; readonly longest: number }
  /** Ends the load, except held connections unless `releases`, and answers with the report. */
  | { readonly do: 'stop'; readonly releases: boolean };

/** What happened. */
export interface LoadReport {
  readonly requests: number;
  readonly failures: readonly string[];
}

let isOn = false;
let isHolding = false;
let requests = 0;
let failures: string[] = [];
let loops: Promise<void>[] = [];
let holds: Promise<void>[] = [];
const start = performance.now();

function fail(what: string): void {
  failures.push(`${Math.round(performance.now() - start)} ms: ${what}`);
}

/** Resolves to the status, or to the error's code. */
function ask({ address, port, host }: Place, agent: Agent | false): Promise<number | string> {
  return new Promise((resolve) => {
    const request = httpRequest({ host: address, port, path: '/', headers: { host }, agent, timeout: 5000 });
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    request.on('response', (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
      response.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
    request.end();
  });
}

async function load(place: Place, isKept: boolean): Promise<void> {
  const agent = isKept ? new Agent({ keepAlive: true, maxSockets: 1 }) : false;
  while (isOn) {
    const answer = await ask(place, agent);
    requests++;
    if (answer !== 200) fail(`${isKept ? 'kept' : 'new'} connection to ${place.port}: ${answer}`);
    await sleep(20);
  }
  if (agent !== false) agent.destroy();
}

/** Upgrades a connection, and exchanges bytes on it until told otherwise. */
async function hold({ address, port, host }: Place): Promise<void> {
  const socket = connect({ host: address, port });
  socket.setEncoding('latin1');
  const lines = ['GET / HTTP/1.1', `Host: ${host}`, 'Connection: Upgrade', 'Upgrade: websocket'];
  const keys = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '\r\n'];
  const head = await exchange(socket, [...lines, ...keys].join('\r\n'));
  if (!head.startsWith('HTTP/1.1 101')) return fail(`held connection to ${port}: ${head}`);
  while (isHolding) {
    requests++;
    const answer = await exchange(socket, 'echo');
    if (answer !== 'echo') return fail(`held connection to ${port}: ${answer}`);
    await sleep(50);
  }
  socket.destroy();
}

function exchange(socket: Socket, text: string): Promise<string> {
  return new Promise((resolve) => {
    const end = (answer: string): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on('error', () => undefined);
      resolve(answer);
    };
    const timer = setTimeout(() => end('timeout'), 5000);
    socket.once('data', (data) => end(String(data)));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    socket.once('close', () => end('closed'));
    socket.write(text);
  });
}

async function find(place: Place, longest: number): Promise<number | string> {
  const begun = performance.now();
  for (;;) {
    const answer = await ask(place, false);
    const took = performance.now() - begun;
    if (answer === 200) return took;
    if (took > longest) return `${place.host}:${place.port} answered ${answer} for ${longest} ms`;
    await sleep(40);
  }
}

async function follow(command: LoadCommand): Promise<unknown> {
  switch (command.do) {
    case 'start': {
      isOn = true;
      isHolding = true;
      requests = 0;
      failures = [];
      loops = command.places.flatMap((place) => [load(place, true), load(place, false), load(place, false)]);
      holds = command.places.map(hold);
      return true;
    }
    case 'find':
      return await find(command.place, command.longest);
    case 'stop': {
      isOn = false;
      isHolding = !command.releases;
      await Promise.all(loops);
      if (command.releases) await Promise.all(holds);
      return { requests, failures } satisfies LoadReport;
    }
  }
}

process.on('message', ({ id, command }: { readonly id: number; readonly command: LoadCommand }) => {
  void follow(command).then((answer) => process.send?.({ id, answer }));
});
process.on('disconnect', () => process.exit(0));
process.send?.({ id: 0, answer: true });
