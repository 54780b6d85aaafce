import { readSync } from 'node:fs';
import { codeOf } from '../../base/linux/libc/calls.ts';

const chunkBytes = 64 * 1024;
const pollMilliseconds = 5;

/** Reads standard input to its end. Returns undefined, without reading further, if it exceeds `limit` bytes. */
export function readStandardInput(limit: number): string | undefined {
  const chunks: Buffer[] = [];
  let size = 0;
  for (;;) {
    const chunk = readChunk();
    if (chunk.length === 0) return Buffer.concat(chunks).toString('utf8');
    size += chunk.length;
    if (size > limit) return undefined;
    chunks.push(chunk);
  }
}

function readChunk(): Buffer {
  const buffer = Buffer.allocUnsafe(chunkBytes);
  for (;;) {
    try {
      return buffer.subarray(0, readSync(0, buffer));
    } catch (error) {
      const code = codeOf(error);
      // The pipe is non-blocking and empty.
      if (code === 'EAGAIN') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pollMilliseconds);
      else if (code === 'EOF') return Buffer.alloc(0);
      else if (code !== 'EINTR') throw error;
    }
  }
}
