/**
 * A program that runs in one namespace of the lab and follows commands of its IPC channel:
 * serve, connect, send, hammer. It ends with its parent.
 */
import { createSocket } from 'node:dgram';
import { connect, createServer, type Socket } from 'node:net';
import type { AgentCommand, AgentRequest, HammerReport, Reach, Reply } from './agent-protocol.ts';

/** Opens servers that answer each client with the client's address and their own. */
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

function connectTcp({ host, port, timeout, from }: Reach): Promise<Reply> {
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

function sendUdp({ host, port, timeout, from, localPort }: Reach): Promise<Reply> {
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
    socket.bind(localPort ?? 0, from, () => socket.connect(port, host, () => socket.send('hello')));
  });
}

const held = new Map<string, Socket>();

function hold(name: string, { host, port, timeout, from }: Reach): Promise<Reply> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, ...(from === undefined ? {} : { localAddress: from }) });
    const timer = setTimeout(() => resolve({ error: 'timeout' }), timeout);
    socket.once('data', (data) => {
      clearTimeout(timer);
      held.set(name, socket);
      resolve({ text: data.toString().trim() });
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      held.delete(name);
      resolve({ error: error.code ?? error.message });
    });
  });
}

function say(name: string, text: string, timeout: number): Promise<Reply> {
  const socket = held.get(name);
  if (socket === undefined) return Promise.resolve({ error: `no connection ${name}` });
  return new Promise((resolve) => {
    const finish = (reply: Reply): void => {
      clearTimeout(timer);
      socket.off('data', take).off('error', fail);
      resolve(reply);
    };
    const take = (data: Buffer): void => finish({ text: data.toString() });
    const fail = (error: NodeJS.ErrnoException): void => finish({ error: error.code ?? error.message });
    const timer = setTimeout(() => finish({ error: 'timeout' }), timeout);
    socket.once('data', take).once('error', fail);
    socket.write(text);
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
    case 'hold':
      return hold(command.name, command);
    case 'say':
      return say(command.name, command.text, command.timeout);
    case 'stop-hammer': {
      const state = hammers.get(command.name);
      if (state === undefined) return { error: `no hammer ${command.name}` };
      state.stop = true;
      return { text: JSON.stringify(state.report) };
    }
  }
}

function reach(command: Reach): Promise<Reply> {
  return command.protocol === 'tcp' ? connectTcp(command) : sendUdp(command);
}

process.on('message', async ({ id, command }: AgentRequest) => {
  process.send?.({ id, reply: await run(command) });
});
process.on('disconnect', () => process.exit(0));
process.send?.({ id: 0, reply: { text: 'ready' } });
