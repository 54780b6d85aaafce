import { innerFiles } from './gateway-names.ts';
import type { MapName } from './maps.ts';
import type { Certificate } from './model.ts';
import { asPayload, checkHost, fileName, quoteArgument } from './quote.ts';
import { type ServerLine, serverWords } from './section.ts';

/** One runtime command for HAProxy. */
export type Command =
  | { readonly kind: 'add-entry' | 'set-entry'; readonly map: MapName; readonly key: string; readonly value: string }
  | { readonly kind: 'delete-entry'; readonly map: MapName; readonly key: string }
  /** Adds a server, or reactivates one that is leaving. */
  | { readonly kind: 'add-server' | 'recall-server'; readonly section: string; readonly server: ServerLine }
  /** Stops new connections to a server, which is deleted after its last connection. */
  | { readonly kind: 'retire-server'; readonly section: string; readonly server: ServerLine }
  | { readonly kind: 'delete-server'; readonly section: string; readonly server: ServerLine }
  | { readonly kind: 'end-sessions'; readonly section: string; readonly server: ServerLine }
  | { readonly kind: 'change-server'; readonly section: string; readonly from: ServerLine; readonly server: ServerLine }
  /** Replaces the content of a file that HAProxy has loaded, or adds the file if it is `new`. */
  | {
      readonly kind: 'load-certificate' | 'load-authority';
      readonly file: string;
      readonly pem: string;
      readonly new: boolean;
    }
  | { readonly kind: 'list-certificate' | 'unlist-certificate'; readonly certificate: Certificate }
  | { readonly kind: 'forget-certificate'; readonly file: string };

/** Returns the file of a certificate as HAProxy refers to it. */
export function certificateFile(name: string): string {
  return `certs/${fileName('certificate', name)}.pem`;
}
export const certificateList = 'certs/certificates.list';
export const defaultCertificateFile = 'certs/default.pem';

/** Returns the list of a certificate. */
export function listOf({ inner }: Certificate): string {
  return inner === undefined ? certificateList : innerFiles(inner).list;
}

/** Returns a certificate's line in the list from which HAProxy selects by name. */
export function listLine(certificate: Certificate): string {
  const hosts = certificate.hosts.map(checkHost);
  return `${certificateFile(certificate.name)}${certificate.http2 ? ' [alpn h2,http/1.1]' : ''} ${hosts.join(' ')}`;
}

/** Returns the lines to send for a command. Each has an answer. Throws {@link UnfitValue}. */
export function renderCommand(command: Command): string[] {
  switch (command.kind) {
    case 'add-entry':
    case 'set-entry': {
      const verb = command.kind === 'add-entry' ? 'add' : 'set';
      return [`${verb} map maps/${command.map}.map ${quoteArgument(command.key)} ${quoteArgument(command.value)}`];
    }
    case 'delete-entry':
      return [`del map maps/${command.map}.map ${quoteArgument(command.key)}`];
    case 'add-server':
      return addServer(command.section, command.server);
    case 'recall-server':
      return recallServer(command.section, command.server);
    case 'retire-server':
      return [`set server ${command.section}/${command.server.name} state maint`];
    case 'delete-server':
      return [`del server ${command.section}/${command.server.name}`];
    case 'end-sessions':
      return [`shutdown sessions server ${command.section}/${command.server.name}`];
    case 'change-server':
      return changeServer(command.section, command.from, command.server);
    case 'load-certificate':
      return loadFile('cert', command.file, command.pem, command.new);
    case 'load-authority':
      return loadFile('ca-file', command.file, command.pem, command.new);
    case 'list-certificate':
      return [`add ssl crt-list ${listOf(command.certificate)} <<\n${listLine(command.certificate)}\n`];
    case 'unlist-certificate':
      return [`del ssl crt-list ${listOf(command.certificate)} ${certificateFile(command.certificate.name)}`];
    case 'forget-certificate':
      return [`del ssl cert ${command.file}`];
  }
}

function addServer(section: string, server: ServerLine): string[] {
  const name = `${section}/${server.name}`;
  return [
    `add server ${name} ${server.address} ${serverWords(server)}`,
    `enable server ${name}`,
    ...checks(section, server),
  ];
}

function recallServer(section: string, server: ServerLine): string[] {
  const name = `${section}/${server.name}`;
  return [
    `set server ${name} state ready`,
    `set server ${name} weight ${server.weight}`,
    `set maxconn server ${name} ${server.maxconn}`,
    `set server ${name} health up`,
    `${server.checked ? 'enable' : 'disable'} health ${name}`,
  ];
}

/** Servers are added without checks, and up. */
function checks(section: string, server: ServerLine): string[] {
  return server.checked ? [`enable health ${section}/${server.name}`] : [];
}

function changeServer(section: string, from: ServerLine, to: ServerLine): string[] {
  const name = `${section}/${to.name}`;
  const lines: string[] = [];
  if (from.address !== to.address) {
    const colon = to.address.lastIndexOf(':');
    const host = to.address.slice(0, colon).replaceAll(/[[\]]/g, '');
    lines.push(`set server ${name} addr ${host} port ${to.address.slice(colon + 1)}`);
  }
  if (from.weight !== to.weight) lines.push(`set server ${name} weight ${to.weight}`);
  if (from.maxconn !== to.maxconn) lines.push(`set maxconn server ${name} ${to.maxconn}`);
  if (from.checked && !to.checked) lines.push(`disable health ${name}`, `set server ${name} health up`);
  if (!from.checked && to.checked) lines.push(`enable health ${name}`);
  return lines;
}

function loadFile(kind: 'cert' | 'ca-file', file: string, pem: string, isNew: boolean): string[] {
  const lines = [`set ssl ${kind} ${file} <<\n${asPayload(pem)}\n`, `commit ssl ${kind} ${file}`];
  return isNew ? [`new ssl ${kind} ${file}`, ...lines] : lines;
}
