import { readFileSync, statSync } from 'node:fs';
import type { Server as HttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';

/** Files and rules of a TLS server. */
export interface TlsSettings {
  /** PEM, with intermediate certificates. */
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** In OpenSSL's form. Absent: those of the runtime. */
  readonly ciphers?: string;
}

/** The first byte of a TLS connection: the record type "handshake" (RFC 8446 §5.1). No HTTP request begins with it. */
const handshake = 0x16;

/** Milliseconds for the first byte of a connection and for the handshake; and how many connections may do so at once. */
const opening = { time: 3000, most: 100 };

/**
 * Creates a server that passes TLS connections and plain ones of one port to an HTTP server, as OpenShift's router does:
 * probes of a kubelet and of load balancers need no certificate. It reads a replaced certificate before the next TLS
 * connection, and keeps the previous one while the files are invalid.
 *
 * @param report receives the problem of the files, or undefined when there is none
 */
export function acceptTls(
  server: HttpServer,
  settings: TlsSettings,
  report: (problem: string | undefined) => void,
): Server & { closeAllConnections(): void } {
  const context = new ContextReader(settings, report);
  context.read();
  const all = new Set<Socket>();
  /** Connections that have not been passed on, the oldest first. */
  const young = new Set<Socket>();
  const accept = (socket: Socket): void => {
    all.add(socket);
    young.add(socket);
    const [oldest] = young;
    if (young.size > opening.most) oldest?.destroy();
    const timer = setTimeout(() => socket.destroy(), opening.time);
    const pass = (connection: Socket): void => {
      clearTimeout(timer);
      young.delete(socket);
      server.emit('connection', connection);
    };
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      clearTimeout(timer);
      all.delete(socket);
      young.delete(socket);
    });
    socket.once('readable', () => {
      const first = socket.read(1) as Buffer | null;
      if (first === null) return void socket.destroy();
      socket.unshift(first);
      if (first[0] !== handshake) return pass(socket);
      const secureContext = context.read();
      if (secureContext === undefined) return void socket.destroy();
      const secure = new TLSSocket(socket, { isServer: true, secureContext });
      secure.on('error', () => socket.destroy());
      secure.once('close', () => socket.destroy());
      secure.once('secure', () => pass(secure));
    });
  };
  return Object.assign(createServer(accept), {
    closeAllConnections: () => {
      for (const socket of all) socket.destroy();
    },
  });
}

/** The certificate and key of the files, which are read again when they were replaced. */
class ContextReader {
  readonly #settings: TlsSettings;
  readonly #report: (problem: string | undefined) => void;
  #version = '';
  #context: SecureContext | undefined;

  constructor(settings: TlsSettings, report: (problem: string | undefined) => void) {
    this.#settings = settings;
    this.#report = report;
  }

  /** Returns the newest valid context; undefined if there was none yet. */
  read(): SecureContext | undefined {
    const { certificateFile, keyFile, minVersion, ciphers } = this.#settings;
    try {
      const version = [certificateFile, keyFile].map(describeVersion).join();
      if (version === this.#version) return this.#context;
      const [cert, key] = [readFileSync(certificateFile), readFileSync(keyFile)];
      this.#context = createSecureContext({ cert, key, minVersion, ...(ciphers !== undefined && { ciphers }) });
      // Last: the files are read again while they do not belong together.
      this.#version = version;
      this.#report(undefined);
    } catch (error) {
      this.#report(`cannot use ${certificateFile} and ${keyFile}: ${(error as Error).message}`);
    }
    return this.#context;
  }
}

function describeVersion(path: string): string {
  const { ino, mtimeNs, size } = statSync(path, { bigint: true });
  return `${ino} ${mtimeNs} ${size}`;
}
