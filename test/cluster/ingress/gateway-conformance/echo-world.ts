/**
 * A host of the conformance tests: the pods, or the client. Follows commands of its IPC channel and ends with its
 * parent.
 */
import { askGrpc, askHttp, askTcp, askUdp, handshake } from './echo-client.ts';
import { countReceived } from './echo-log.ts';
import type { EchoAnswer, EchoCommand } from './echo-protocol.ts';
import { serve } from './echo-servers.ts';
import { askWebSocket } from './echo-socket.ts';

async function run(command: EchoCommand): Promise<EchoAnswer> {
  switch (command.do) {
    case 'serve':
      await Promise.all(command.pods.flatMap(serve));
      return {};
    case 'http':
      return askHttp(command.question);
    case 'websocket':
      return askWebSocket(command.question);
    case 'received':
      return { count: countReceived(command.question) };
    case 'grpc':
      return askGrpc(command.question);
    case 'tcp':
      return askTcp(command.question);
    case 'handshake':
      return handshake(command.question);
    case 'udp':
      return askUdp(command.question);
  }
}

process.on('message', ({ id, command }: { readonly id: number; readonly command: EchoCommand }) => {
  run(command).then(
    (answer) => process.send?.({ id, answer }),
    (error: Error) => process.send?.({ id, answer: { error: error.message } }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.({ id: 0, answer: {} });
