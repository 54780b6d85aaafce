import { exchangeFile } from './exchange-script.ts';
import type { Settings } from './model.ts';
import { checkToken, quoteWord } from './quote.ts';
import { milliseconds } from './section.ts';

/** Folder and user of HAProxy at run time. */
export interface Place {
  /** Path of the worker's stats socket. */
  readonly adminSocket: string;
  /** Root of the worker after its start. Absent: no chroot. */
  readonly jail?: string;
  /** Absent: the supervisor's user. */
  readonly user?: string;
  readonly group?: string;
  /** Absent here and in the settings: old workers live as long as their connections. */
  readonly hardStopAfter?: number;
}

/**
 * Renders the section `global`. `generation` identifies the files that a running process has loaded.
 *
 * @param hasScript whether sections use the filters of the Lua script
 */
export function renderGlobal(settings: Settings, place: Place, generation: string, hasScript: boolean): string {
  const { process, tls, log } = settings;
  const hardStop = process.hardStopAfter ?? place.hardStopAfter;
  const lines = [
    `description ${generation}`,
    'default-path parent',
    hasScript && `lua-load-per-thread ${exchangeFile}`,
    // Otherwise HAProxy prints a message for each exchange that a filter ends.
    hasScript && 'quiet',
    `stats socket ${quoteWord(place.adminSocket)} mode 600 level admin expose-fd listeners`,
    place.jail !== undefined && `chroot ${quoteWord(place.jail)}`,
    place.user !== undefined && `user ${quoteWord(place.user)}`,
    place.group !== undefined && `group ${quoteWord(place.group)}`,
    process.maxconn !== undefined && `maxconn ${process.maxconn}`,
    process.threads !== undefined && `nbthread ${process.threads}`,
    hardStop !== undefined && `hard-stop-after ${milliseconds(hardStop)}`,
    // Newer versions terminate old workers after 50 reloads, with the connections of all tenants.
    'mworker-max-reloads 1000000',
    // A file limit that is too low for full load must not prevent the start.
    'no strict-limits',
    `tune.bufsize ${process.bufsize}`,
    `tune.maxrewrite ${process.maxrewrite}`,
    'tune.ssl.default-dh-param 2048',
    // All frontends share the cache: a session would resume on one that verifies other client certificates, or any.
    settings.gateways !== undefined && 'tune.ssl.cachesize 0',
    `ssl-default-bind-options ssl-min-ver ${tls.minVersion}${tls.maxVersion === undefined ? '' : ` ssl-max-ver ${tls.maxVersion}`}`,
    tls.ciphers !== undefined && `ssl-default-bind-ciphers ${quoteWord(tls.ciphers)}`,
    tls.ciphersuites !== undefined && `ssl-default-bind-ciphersuites ${quoteWord(tls.ciphersuites)}`,
    tls.curves !== undefined && `ssl-default-bind-curves ${quoteWord(tls.curves)}`,
    'ssl-server-verify required',
    log?.target.kind === 'stdout' &&
      `log stdout len ${log.maxLength} format raw ${quoteWord(log.facility)} ${quoteWord(log.level)}`,
    log?.target.kind === 'syslog' &&
      `log ${quoteWord(log.target.address)} len ${log.maxLength} ${quoteWord(log.facility)} ${quoteWord(log.level)}`,
    ...settings.headerCases.map((name) => `h1-case-adjust ${checkToken('header', name).toLowerCase()} ${name}`),
  ].filter((line) => line !== false);
  return `global\n${lines.map((line) => `  ${line}\n`).join('')}`;
}
