/**
 * A program in one namespace of the lab of virtual addresses: servers that name their node, or a client that holds
 * connections and asks who answers. It follows commands of its IPC channel and ends with its parent.
 */
import { createSocket } from 'node:dgram';
import { connect, createServer, type Socket } from 'node:net';

/** A command of the test. */
export type AddressCommand =
  | { readonly do: 'serve'; readonly name: string; readonly port: number }
  /** Ends the servers of a port and their connections, as a kill of the program would. */
  | { readonly do: 'unserve'; readonly port: number }
  /** Opens connections and waits until the server has greeted each. Answers how many are open. */
  | { readonly do: 'hold'; readonly name: string; readonly host: string; readonly port: number; readonly count: number }
  /** Sends a line on each held connection; answers how many echoed it, and who they reached. */
  | { readonly do: 'check'; readonly name: string; readonly timeout: number }
  | { readonly do: 'drop'; readonly name: string }
  /** Opens one connection; answers the greeting or the error. */
  | { readonly do: 'reach'; readonly host: string; readonly port: number; readonly timeout: number }
  /** Opens one connection after the other until `relax`; answers how many there were, and the errors. */
  | { readonly do: 'hammer'; readonly host: string; readonly port: number }
  | { readonly do: 'relax' }
  /** Asks by UDP every 10 ms from now on. */
  | { readonly do: 'ask'; readonly host: string; readonly port: number }
  /** Answers by whom and when the address answered since `ask`, as changes of the answering node. */
  | { readonly do: 'answers'; readonly host: string };

/** A change of the node that answers. Times are milliseconds since 1970. */
export interface AnswerSpan {
  readonly node: string;
  readonly first: number;
  last: number;
  /** Longest time between two answers of the node. */
  longestGap: number;
}

export interface AddressReply {
  readonly text?: string;
  readonly count?: number;
  readonly nodes?: Readonly<Record<string, number>>;
  readonly errors?: Readonly<Record<string, number>>;
  readonly spans?: readonly AnswerSpan[];
}

const servers = new Map<number, (() => void)[]>();
const held = new Map<string, Socket[]>();
const spans = new Map<string, AnswerSpan[]>();

function serve(name: string, port: number): Promise<AddressReply> {
  const sockets = new Set<Socket>();
  const ends = [() => sockets.forEach((socket) => void socket.resetAndDestroy())];
  servers.set(port, ends);
  const greet = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    socket.on('data', (data) => socket.write(`${name} ${data.toString()}`));
    socket.write(`${name} hello\n`);
  };
  for (const type of ['udp4', 'udp6'] as const) {
    const udp = createSocket({ type, ipv6Only: type === 'udp6' });
    udp.on('message', (message, peer) => udp.send(`${name} ${message.toString()}`, peer.port, peer.address));
    udp.on('error', () => {});
    udp.bind(port);
    ends.push(() => udp.close());
  }
  return new Promise((resolve) => {
    const server = createServer(greet);
    ends.push(() => server.close());
    server.listen({ port, host: '::', backlog: 4096 }, () => resolve({ text: 'listening' }));
  });
}

async function hold(name: string, host: string, port: number, count: number): Promise<AddressReply> {
  const sockets: Socket[] = [];
  held.set(name, sockets);
  // In batches, so that no queue overflows.
  for (let begin = 0; begin < count; begin += 50) {
    await Promise.all(
      Array.from({ length: Math.min(50, count - begin) }, () => {
        return new Promise<void>((resolve) => {
          const socket = connect({ host, port });
          socket.on('error', () => resolve());
          socket.once('data', () => {
            sockets.push(socket);
            resolve();
          });
          setTimeout(resolve, 5000).unref();
        });
      }),
    );
  }
  return { count: sockets.length };
}

async function check(name: string, timeout: number): Promise<AddressReply> {
  const nodes: Record<string, number> = {};
  const errors: Record<string, number> = {};
  const note = (error: string): void => {
    errors[error] = (errors[error] ?? 0) + 1;
  };
  const results = await Promise.all(
    (held.get(name) ?? []).map((socket) => {
      return new Promise<string | undefined>((resolve) => {
        const end = (node: string | undefined, error?: string): void => {
          clearTimeout(timer);
          for (const [event, listener] of Object.entries(listeners)) socket.off(event, listener);
          if (error !== undefined) note(error);
          resolve(node);
        };
        const listeners = {
          data: (data: Buffer): void => end(data.toString().split(' ')[0]),
          error: ({ code }: NodeJS.ErrnoException): void => end(undefined, code ?? 'error'),
          end: (): void => end(undefined, 'end'),
        };
        const timer = setTimeout(() => end(undefined, 'timeout'), timeout);
        if (socket.destroyed) return end(undefined, 'closed');
        for (const [event, listener] of Object.entries(listeners)) socket.on(event, listener);
        socket.write('ping\n');
      });
    }),
  );
  for (const node of results) if (node !== undefined) nodes[node] = (nodes[node] ?? 0) + 1;
  const isAll = Object.keys(errors).length === 0;
  return { count: results.filter((node) => node !== undefined).length, nodes, ...(!isAll && { errors }) };
}

function reach(host: string, port: number, timeout: number): Promise<AddressReply> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (text: string): void => {
      socket.resetAndDestroy();
      resolve({ text });
    };
    socket.setTimeout(timeout, () => end('timeout'));
    socket.once('data', (data) => end(data.toString().trim()));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}

let isHammering = false;
const greetings: Record<string, number> = {};

async function hammer(host: string, port: number): Promise<void> {
  while (isHammering) {
    const { text = '' } = await reach(host, port, 5000);
    greetings[text] = (greetings[text] ?? 0) + 1;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function ask(host: string, port: number): AddressReply {
  if (spans.has(host)) return {};
  spans.set(host, []);
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (message) => {
    const [node = ''] = message.toString().split(' ');
    const own = spans.get(host) ?? [];
    const last = own.at(-1);
    if (last?.node === node) {
      last.longestGap = Math.max(last.longestGap, Date.now() - last.last);
      last.last = Date.now();
    } else own.push({ node, first: Date.now(), last: Date.now(), longestGap: 0 });
  });
  socket.on('error', () => {});
  setInterval(() => socket.send('who', port, host, () => {}), 10);
  return {};
}

function follow(command: AddressCommand): Promise<AddressReply> | AddressReply {
  switch (command.do) {
    case 'serve':
      return serve(command.name, command.port);
    case 'unserve':
      for (const end of servers.get(command.port) ?? []) end();
      servers.delete(command.port);
      return {};
    case 'hold':
      return hold(command.name, command.host, command.port, command.count);
    case 'check':
      return check(command.name, command.timeout);
    case 'drop':
      for (const socket of held.get(command.name) ?? []) socket.destroy();
      held.delete(command.name);
      return {};
    case 'reach':
      return reach(command.host, command.port, command.timeout);
    case 'hammer':
      isHammering = true;
      void hammer(command.host, command.port);
      return {};
    case 'relax':
      isHammering = false;
      return { nodes: greetings };
    case 'ask':
      return ask(command.host, command.port);
    case 'answers':
      return { spans: spans.get(command.host)?.splice(0) ?? [] };
  }
}

process.on('message', ({ id, command }: { readonly id: number; readonly command: AddressCommand }) => {
  void Promise.resolve(follow(command)).then((answer) => process.send?.({ id, answer }));
});
process.on('disconnect', () => process.exit(0));
process.send?.({ id: 0, answer: {} });
