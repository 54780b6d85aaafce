/**
 * A program that runs in one namespace of the lab and does there what it is told over its IPC
 * channel: serve, connect, send, hammer. It ends with its parent.
 */
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import type { AgentCommand, AgentRequest, HammerReport, Reply } from './agent-protocol.ts';

/** Opens servers that answer everybody with what they saw: the peer's address, and their own. */
function serveTcp(host: string, port: number): Promise<Reply> {
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (data) => socket.write(data));
      socket.write(`${socket.remoteAddress} ${socket.localAddress} ${socket.localPort}\n`);
    });
    server.on('error', (error: NodeJS.ErrnoException) => resolve({ error: error.code ?? error.message }));
    server.listen(port, host, () => resolve({ text: 'listening' }));
  });
}

function serveUdp(host: string, port: number): Promise<Reply> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    socket.on('message', (_message, peer) => socket.send(`${peer.address} ${host} ${port}`, peer.port, peer.address));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve({ error: error.code ?? error.message }));
    socket.bind(port, host, () => resolve({ text: 'listening' }));
  });
}

function connectTcp(host: string, port: number, timeout: number, from?: string): Promise<Reply> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, ...(from === undefined ? {} : { localAddress: from }) });
    const end = (reply: Reply): void => {
      // A reset leaves no TIME_WAIT behind, so that ports do not run out.
      socket.resetAndDestroy();
      resolve(reply);
    };
    socket.setTimeout(timeout, () => end({ error: 'timeout' }));
    socket.on('data', (data) => end({ text: data.toString().trim() }));
    socket.on('error', (error: NodeJS.ErrnoException) => end({ error: error.code ?? error.message }));
  });
}

function sendUdp(host: string, port: number, timeout: number, from?: string): Promise<Reply> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const end = (reply: Reply): void => {
      clearTimeout(timer);
      socket.close();
      resolve(reply);
    };
    const timer = setTimeout(() => end({ error: 'timeout' }), timeout);
    socket.on('message', (message) => end({ text: message.toString() }));
    socket.on('error', (error: NodeJS.ErrnoException) => end({ error: error.code ?? error.message }));
    socket.bind(0, from, () => socket.connect(port, host, () => socket.send('hello')));
  });
}

const hammers = new Map<string, { stop: boolean; report: HammerReport }>();

/** Tries again and again until told to stop, and counts what came of it. */
async function hammer(name: string, attempt: () => Promise<Reply>): Promise<void> {
  const state = { stop: false, report: {} as HammerReport };
  hammers.set(name, state);
  while (!state.stop) {
    const reply = await attempt();
    const outcome = 'text' in reply ? reply.text : reply.error;
    state.report[outcome] = (state.report[outcome] ?? 0) + 1;
    if ('error' in reply) await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

async function run(command: AgentCommand): Promise<Reply> {
  switch (command.do) {
    case 'serve':
      return command.protocol === 'tcp' ? serveTcp(command.host, command.port) : serveUdp(command.host, command.port);
    case 'reach':
      return reach(command);
    case 'hammer':
      void hammer(command.name, () => reach(command));
      return { text: 'hammering' };
    case 'stop-hammer': {
      const state = hammers.get(command.name);
      if (state === undefined) return { error: `no hammer ${command.name}` };
      state.stop = true;
      return { text: JSON.stringify(state.report) };
    }
  }
}

function reach(command: {
  protocol: 'tcp' | 'udp';
  host: string;
  port: number;
  timeout: number;
  from?: string;
}): Promise<Reply> {
  const attempt = command.protocol === 'tcp' ? connectTcp : sendUdp;
  return attempt(command.host, command.port, command.timeout, command.from);
}

process.on('message', async ({ id, command }: AgentRequest) => {
  process.send?.({ id, reply: await run(command) });
});
process.on('disconnect', () => process.exit(0));
process.send?.({ id: 0, reply: { text: 'ready' } });
