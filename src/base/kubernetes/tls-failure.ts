import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { type ConnectionOptions, connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import { escapeUnprintable } from '../model/text.ts';
import { bracketHost, type ClusterAccess, describeMaterial } from './access.ts';
import { endpointOf } from './connection.ts';
import { openTunnel } from './proxy.ts';

/** Milliseconds to wait for a server's certificate. */
const answerTimeout = 3000;

/** Error codes of OpenSSL and BoringSSL for an untrusted certificate. */
const untrusted = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'INVALID_CA',
]);

/** Returns whether a request failed because the server's certificate was rejected. */
export function isCertificateRefusal(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code.startsWith('CERT_') || untrusted.has(code);
}

/**
 * Explains to the author of the kubeconfig why the server's certificate was rejected, which certificate it is, and
 * how to fix it. Fetches the certificate over a separate connection that sends nothing. Never rejects.
 */
export async function explainRefusal(access: ClusterAccess, error: unknown): Promise<string> {
  const { host, port } = endpointOf(access);
  const place = `${bracketHost(host)}:${port}`;
  const seen = await lookAtCertificate(access).catch(() => undefined);
  const which = seen === undefined ? 'its certificate' : describeCertificate(seen);
  return `${place} presents ${which}: ${explain(access, codeOf(error), seen)}`;
}

function explain(access: ClusterAccess, code: string, seen: DetailedPeerCertificate | undefined): string {
  const { authority, origin, serverName } = access;
  const trusted = authority === undefined ? "the system's authorities" : describeMaterial(authority);
  switch (code) {
    case 'ERR_TLS_CERT_ALTNAME_INVALID': {
      const name = serverName ?? endpointOf(access).host;
      const names = seen?.subjectaltname?.replaceAll('IP Address:', '').replaceAll('DNS:', '') ?? 'no name';
      const cure = `set tls-server-name to one of these in ${origin}, or reissue the certificate with ${name}`;
      return `it is for ${escapeUnprintable(names)}, not for ${name}; ${cure}`;
    }
    case 'CERT_HAS_EXPIRED': {
      // An intermediate or root certificate may have expired instead.
      const over =
        seen === undefined ? undefined : chainOf(seen).find(({ valid_to }) => Date.parse(valid_to) < Date.now());
      const whose = over === undefined || over === seen ? 'it' : describeCertificate(over);
      return `${whose} expired${over === undefined ? '' : ` on ${formatDate(over.valid_to)}`}; renew it, or correct the clock of this node (${formatDate(new Date())})`;
    }
    case 'CERT_NOT_YET_VALID': {
      const from = seen === undefined ? '' : ` before ${formatDate(seen.valid_from)}`;
      return `it is not valid${from}; correct the clock of this node (${formatDate(new Date())})`;
    }
    default: {
      const cure =
        authority === undefined
          ? `add certificate-authority-data to ${origin}`
          : `add the certificate of its issuing authority there${describeTrusted(access)}`;
      return `it is not signed by an authority in ${trusted} (${code}); ${cure}`;
    }
  }
}

/** Names the trusted authority, if its certificate is inline and readable. */
function describeTrusted({ authority }: ClusterAccess): string {
  if (authority?.kind !== 'data') return '';
  try {
    return `, which contains ${new X509Certificate(authority.text).subject.replaceAll('\n', ', ')}`;
  } catch {
    return ', which is not a certificate';
  }
}

function describeCertificate({ subject, issuer, valid_to }: DetailedPeerCertificate): string {
  const words = (name: DetailedPeerCertificate['subject']): string => `CN=${[name.CN].flat().join('+')}`;
  return escapeUnprintable(
    `the certificate "${words(subject)}" (issued by "${words(issuer)}", valid until ${formatDate(valid_to)})`,
  );
}

function chainOf(first: DetailedPeerCertificate): readonly DetailedPeerCertificate[] {
  const chain = [first];
  for (let next = first.issuerCertificate; next !== undefined && !chain.includes(next); next = next.issuerCertificate) {
    chain.push(next);
    if (chain.length === 10) break;
  }
  return chain;
}

async function lookAtCertificate(access: ClusterAccess): Promise<DetailedPeerCertificate | undefined> {
  const { host, port } = endpointOf(access);
  const target = `${bracketHost(host)}:${port}`;
  const tunnel = access.proxy === undefined ? {} : { socket: await openTunnel(access.proxy, target) };
  const name = access.serverName ?? (isIP(host) === 0 ? host : undefined);
  const options: ConnectionOptions = { host, port, ...tunnel, rejectUnauthorized: false };
  const { promise, resolve, reject } = Promise.withResolvers<DetailedPeerCertificate>();
  const socket: TLSSocket = connect({ ...options, ...(name !== undefined && { servername: name }) });
  socket.setTimeout(answerTimeout, () => reject(new Error('no answer')));
  socket.once('secureConnect', () => resolve(socket.getPeerCertificate(true)));
  socket.once('error', reject);
  try {
    const certificate = await promise;
    return certificate.subject === undefined ? undefined : certificate;
  } finally {
    socket.destroy();
  }
}

function formatDate(date: string | Date): string {
  const time = new Date(date);
  return Number.isNaN(time.getTime()) ? String(date) : `${time.toISOString().slice(0, 19)}Z`;
}

function codeOf(error: unknown): string {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : '';
}
