import { execFile } from 'node:child_process';
import * as z from 'zod/mini';
import { bracketHost, type ClusterAccess, type ExecPlugin, plainHost } from './access.ts';

/** Output of a plugin (client.authentication.k8s.io, ExecCredential). */
export interface ExecCredential {
  readonly token: string | undefined;
  readonly certificate: string | undefined;
  readonly key: string | undefined;
  /** Expiry in milliseconds since 1970. Undefined: valid until the server rejects it. */
  readonly until: number | undefined;
}

/** Timeout of a plugin, in milliseconds. */
const longestRun = 60_000;

const text = z.optional(z.nullable(z.string()));
const schema = z.object({
  apiVersion: z.string(),
  kind: z.literal('ExecCredential'),
  status: z.object({
    token: text,
    clientCertificateData: text,
    clientKeyData: text,
    expirationTimestamp: text,
  }),
});

/**
 * Runs a credential plugin. Rejects with an Error that names the program and quotes its standard error. Its standard
 * output is secret and never appears in a message.
 *
 * @param authority PEM certificates of the cluster's authority
 */
export async function runExecPlugin(
  plugin: ExecPlugin,
  { server, serverName, isUnverified, proxy }: ClusterAccess,
  authority: string | undefined,
): Promise<ExecCredential> {
  const cluster = {
    server: `${server.protocol}//${bracketHost(plainHost(server))}${server.port === '' ? '' : `:${server.port}`}`,
    ...(serverName !== undefined && { 'tls-server-name': serverName }),
    ...(isUnverified && { 'insecure-skip-tls-verify': true }),
    ...(authority !== undefined && { 'certificate-authority-data': Buffer.from(authority).toString('base64') }),
    ...(proxy !== undefined && { 'proxy-url': proxy.href }),
  };
  const info = {
    apiVersion: plugin.apiVersion,
    kind: 'ExecCredential',
    spec: { interactive: false, ...(plugin.needsCluster && { cluster }) },
  };
  const environment = { ...process.env, ...plugin.environment, KUBERNETES_EXEC_INFO: JSON.stringify(info) };
  const output = await run(plugin, environment);
  let answer: unknown;
  try {
    answer = JSON.parse(output);
  } catch {
    throw new Error(`Cannot get credentials from ${plugin.command}: its output is not JSON`);
  }
  const result = z.safeParse(schema, answer);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw new Error(`Cannot get credentials from ${plugin.command}: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  const { apiVersion, status } = result.data;
  if (apiVersion !== plugin.apiVersion) {
    throw new Error(
      `Cannot get credentials from ${plugin.command}: it printed ${apiVersion}, but the kubeconfig requests ${plugin.apiVersion}`,
    );
  }
  const until = status.expirationTimestamp ? Date.parse(status.expirationTimestamp) : Number.NaN;
  return {
    token: status.token ?? undefined,
    certificate: status.clientCertificateData ?? undefined,
    key: status.clientKeyData ?? undefined,
    until: Number.isNaN(until) ? undefined : until,
  };
}

function run({ command, args, installHint }: ExecPlugin, environment: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { env: environment, timeout: longestRun, maxBuffer: 1 << 20 };
    const child = execFile(command, [...args], options, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const isMissing = error.code === 'ENOENT';
      const reason = isMissing
        ? `it is not installed${installHint === undefined ? '' : `: ${installHint.trim()}`}`
        : stderr.trim().slice(-500) ||
          (error.killed ? `it took longer than ${longestRun / 1000} s` : `it ended with ${error.code}`);
      reject(new Error(`Cannot get credentials from ${command}: ${reason}`));
    });
    // The plugin runs without a terminal.
    child.stdin?.end();
  });
}
