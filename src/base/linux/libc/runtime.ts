import type { FFIFunction } from './types.ts';

/**
 * Loads libc through the FFI of the current runtime: Bun in the compiled executable, Node from source. This file is
 * the only one that knows the runtime. Both variants load synchronously, because the executable's byte code cannot
 * contain a top-level await.
 */
export function loadLibc(definitions: Readonly<Record<string, FFIFunction>>): LoadedLibc {
  return process.versions.bun === undefined ? loadByNode(definitions) : loadByBun(definitions);
}

/** The loaded functions, which take numbers and byte arrays, and access to `errno`. */
export interface LoadedLibc {
  readonly functions: Readonly<Record<string, (...args: (number | Uint8Array)[]) => number>>;
  /** `errno` of the last failed call on this thread. */
  readonly errno: () => number;
  /** Address of a byte array, for a structure that points to it. Valid while the array is referenced. */
  readonly addressOf: (bytes: Uint8Array) => bigint;
}

const soname = 'libc.so.6';

interface BunFfi {
  dlopen(
    path: string,
    symbols: Record<string, { args: string[]; returns: string }>,
  ): { symbols: Record<string, (...args: unknown[]) => number> };
  read: { i32(pointer: number, offset: number): number };
  ptr(bytes: Uint8Array): number;
}

declare const require: (id: 'bun:ffi') => BunFfi;

function loadByBun(definitions: Readonly<Record<string, FFIFunction>>): LoadedLibc {
  const ffi = require('bun:ffi');
  const symbols: Record<string, { args: string[]; returns: string }> = {
    __errno_location: { args: [], returns: 'ptr' },
  };
  for (const [name, definition] of Object.entries(definitions)) {
    symbols[name] = {
      args: definition.args.map((arg) => (arg === 'buffer' ? 'ptr' : 'i32')),
      returns: 'i32',
    };
  }
  const library = ffi.dlopen(soname, symbols);
  const location = library.symbols.__errno_location as () => number;
  return {
    functions: library.symbols,
    errno: () => ffi.read.i32(location(), 0),
    addressOf: (bytes) => BigInt(ffi.ptr(bytes)),
  };
}

function loadByNode(definitions: Readonly<Record<string, FFIFunction>>): LoadedLibc {
  const ffi = loadNodeFfi();
  const { functions } = ffi.dlopen(soname, {
    __errno_location: { arguments: [], return: 'pointer' },
    ...Object.fromEntries(
      Object.entries(definitions).map(([name, definition]) => [
        name,
        {
          arguments: definition.args.map((arg) => (arg === 'buffer' ? 'pointer' : 'i32')),
          return: 'i32',
        },
      ]),
    ),
  });
  const location = functions.__errno_location as unknown as () => bigint;
  return { functions, errno: () => ffi.getInt32(location(), 0), addressOf: (bytes) => ffi.getRawPointer(bytes) };
}

interface NodeFfi {
  dlopen(
    path: string,
    definitions: Record<string, { arguments: string[]; return: string }>,
  ): { functions: Record<string, (...args: (number | Uint8Array)[]) => number> };
  getInt32(pointer: bigint, offset: number): number;
  getRawPointer(bytes: Uint8Array): bigint;
}

function loadNodeFfi(): NodeFfi {
  // Node warns on stderr that its FFI is experimental; a container runtime would treat that as the plugin's output.
  const emitWarning = process.emitWarning.bind(process);
  process.emitWarning = () => {};
  try {
    const ffi = process.getBuiltinModule('node:ffi' as 'node:fs') as unknown as NodeFfi | undefined;
    if (ffi === undefined) throw new Error('Cannot call libc: this Node has no node:ffi; run Node 26 or newer');
    return ffi;
  } finally {
    process.emitWarning = emitWarning;
  }
}
