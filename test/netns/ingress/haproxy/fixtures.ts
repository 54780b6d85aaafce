import { execFileSync } from 'node:child_process';
import { parseAddress } from '../../../../src/base/model/address.ts';
import type {
  Backend,
  Certificate,
  HttpState,
  Server,
  Settings,
  Site,
  SitePath,
} from '../../../../src/ingress/haproxy/model.ts';
import { type Gateways, noGateways } from '../../../../src/ingress/haproxy/rule.ts';

let made: string | undefined;

/** Key and self-signed certificate for a name, made once for the default name. */
export function makePem(name = 'default.test'): string {
  if (name === 'default.test' && made !== undefined) return made;
  const pem = execFileSync(
    '/usr/bin/openssl',
    [
      ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout - -out -'.split(' '),
      '-subj',
      `/CN=${name}`,
      '-addext',
      `subjectAltName=DNS:${name}`,
    ],
    // openssl reports its progress on stderr.
    { stdio: ['ignore', 'pipe', 'ignore'] },
  ).toString();
  if (name === 'default.test') made = pem;
  return pem;
}

/** OpenShift's defaults. */
export function makeSettings(changes: Partial<Settings> = {}): Settings {
  return {
    listen: { family: 'v4', httpPort: 80, httpsPort: 443, proxyProtocol: false },
    timeouts: {
      connect: 5000,
      client: 30_000,
      clientFin: 1000,
      server: 30_000,
      serverFin: 1000,
      tunnel: 3_600_000,
      check: 5000,
      request: 10_000,
      keepAlive: 300_000,
      inspect: 5000,
    },
    process: { maxconn: 2000, threads: 2, bufsize: 32_768, maxrewrite: 8192 },
    tls: { defaultCertificate: makePem(), minVersion: 'TLSv1.2', strictSni: false },
    removeSslHeaders: true,
    forwarded: 'append',
    headerCases: [],
    requestHeaders: [],
    responseHeaders: [],
    errorPages: {},
    ignoreProbes: false,
    ignoreEmptyInLog: false,
    idleCloseOnResponse: false,
    abortOnClose: false,
    continuousStats: false,
    spareBackends: 4,
    ...changes,
  };
}

export function makeServer(id: string, address: string, port: number, changes: Partial<Server> = {}): Server {
  const parsed = parseAddress(address);
  if (parsed === undefined) throw new Error(address);
  return { id, address: parsed, port, weight: 1, checked: false, ...changes };
}

export function makeBackend(id: string, servers: readonly Server[], changes: Partial<Backend> = {}): Backend {
  const http = { cookie: { name: `c-${id.replaceAll(':', '-')}`, secure: false } };
  return { id, mode: 'http', balance: 'random', servers, checkInterval: 5000, http, ...changes };
}

/** A host; its paths are served over both unless they say otherwise. */
export function makeSite(
  host: string,
  ...paths: { path?: string; plain?: 'serve' | 'redirect' | 'none'; secure?: boolean; backend: string }[]
): Site {
  const made = paths.map(({ plain = 'serve', ...rest }): SitePath => {
    const path = { path: '', secure: true, ...rest };
    return plain === 'none' ? path : { ...path, plain };
  });
  return { host, paths: made };
}

/** A state of parts; maps are made of lists. */
export function makeState(
  parts: {
    settings?: Settings;
    sites?: readonly Site[];
    passthrough?: readonly { host: string; backend: string }[];
    backends?: readonly Backend[];
    certificates?: readonly Certificate[];
    authorities?: Readonly<Record<string, string>>;
    gateways?: Partial<Gateways>;
  } = {},
): HttpState {
  return {
    settings: parts.settings ?? makeSettings(),
    sites: new Map((parts.sites ?? []).map((site) => [site.host, site])),
    passthrough: new Map((parts.passthrough ?? []).map((each) => [each.host, each])),
    backends: new Map((parts.backends ?? []).map((backend) => [backend.id, backend])),
    certificates: new Map((parts.certificates ?? []).map((certificate) => [certificate.name, certificate])),
    authorities: new Map(Object.entries(parts.authorities ?? {})),
    gateways: { ...noGateways, ...parts.gateways },
  };
}
