import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { parse } from 'yaml';
import * as z from 'zod/mini';
import type { ClusterAccess, ExecPlugin, Identity, Material } from './access.ts';

const text = z.optional(z.nullable(z.string()));

const execSchema = z.object({
  apiVersion: z.string(),
  command: z.string(),
  args: z.optional(z.nullable(z.array(z.string()))),
  env: z.optional(z.nullable(z.array(z.object({ name: z.string(), value: z.string() })))),
  provideClusterInfo: z.optional(z.boolean()),
  interactiveMode: text,
  installHint: text,
});

const clusterSchema = z.object({
  server: z.string(),
  'certificate-authority': text,
  'certificate-authority-data': text,
  'tls-server-name': text,
  'insecure-skip-tls-verify': z.optional(z.boolean()),
  'proxy-url': text,
});

const userSchema = z.object({
  'client-certificate': text,
  'client-certificate-data': text,
  'client-key': text,
  'client-key-data': text,
  token: text,
  tokenFile: text,
  username: text,
  password: text,
  as: text,
  'as-uid': text,
  'as-groups': z.optional(z.nullable(z.array(z.string()))),
  'as-user-extra': z.optional(z.nullable(z.record(z.string(), z.array(z.string())))),
  exec: z.optional(z.nullable(execSchema)),
  'auth-provider': z.optional(z.unknown()),
});

/** The connection settings of a kubeconfig (clientcmd v1). */
const schema = z.object({
  'current-context': text,
  contexts: z.optional(
    z.nullable(z.array(z.object({ name: z.string(), context: z.object({ cluster: z.string(), user: text }) }))),
  ),
  clusters: z.optional(z.nullable(z.array(z.object({ name: z.string(), cluster: clusterSchema })))),
  users: z.optional(z.nullable(z.array(z.object({ name: z.string(), user: z.nullable(userSchema) })))),
});

type Kubeconfig = z.output<typeof schema>;
type UserWords = z.output<typeof userSchema>;

/** A value with the file that contains it. Relative paths are relative to that file. */
interface Said<Value> {
  readonly value: Value;
  readonly file: string;
}

/**
 * Reads the cluster and user of the current context. Throws an Error that names file and field but never a value,
 * because values are secrets.
 *
 * @param paths one file, or several separated by ":" as in KUBECONFIG. The first file that sets a value wins.
 */
export function readKubeconfig(paths: string): ClusterAccess {
  const files = paths.split(':').filter((path) => path !== '');
  const configs = files.flatMap((file) => readFile(file, files.length > 1) ?? []);
  const origin = `kubeconfig ${files.join(':')}`;
  const fail = (words: string): never => {
    throw new Error(`Cannot use ${origin}: ${words}`);
  };
  const contextName = configs.map(({ value }) => value['current-context']).find(Boolean);
  const context = find(configs, ({ contexts }) => contexts, contextName)?.value.context;
  // A file with one cluster and no context is unambiguous.
  const clusterName = context?.cluster ?? onlyName(configs.flatMap(({ value }) => value.clusters ?? []));
  if (context === undefined && contextName) fail(`current-context "${contextName}" is not among its contexts`);
  if (clusterName === undefined) fail('it has no current-context; set one with "kubectl config use-context"');
  const cluster =
    find(configs, ({ clusters }) => clusters, clusterName) ??
    fail(`cluster "${clusterName}" is not among its clusters`);
  const userName = context === undefined ? onlyName(configs.flatMap(({ value }) => value.users ?? [])) : context.user;
  const user = userName ? find(configs, ({ users }) => users, userName) : undefined;
  if (userName && user === undefined) fail(`user "${userName}" is not among its users`);
  const words = cluster.value.cluster;
  const place = `clusters "${clusterName}" of ${origin}`;
  const authority = readMaterial(
    { data: words['certificate-authority-data'], path: words['certificate-authority'] },
    cluster.file,
    `certificate-authority-data of ${place}`,
  );
  const proxy = words['proxy-url']
    ? readUrl(words['proxy-url'], ['http:', 'https:'], `proxy-url of ${place}`)
    : undefined;
  return {
    server: readUrl(words.server, ['http:', 'https:'], `server of ${place}`),
    ...(authority && { authority }),
    ...(words['tls-server-name'] && { serverName: words['tls-server-name'] }),
    isUnverified: words['insecure-skip-tls-verify'] === true,
    ...(proxy && { proxy }),
    identity: user?.value.user ? readIdentity(user.value.user, user.file, `users "${userName}" of ${origin}`) : {},
    origin,
  };
}

function readFile(file: string, mayBeMissing: boolean): Said<Kubeconfig> | undefined {
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (cause) {
    if (mayBeMissing && (cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Error(`Cannot read kubeconfig ${file}: ${(cause as Error).message}`, { cause });
  }
  let document: unknown;
  try {
    document = parse(content);
  } catch {
    // The parser's message quotes the line, which may contain a key.
    throw new Error(`Cannot read kubeconfig ${file}: it is not YAML`);
  }
  const result = z.safeParse(schema, document ?? {});
  if (result.success) return { value: result.data, file };
  const [issue] = result.error.issues;
  throw new Error(`Cannot read kubeconfig ${file}: ${issue?.path.join('.') || 'document'}: ${issue?.message}`);
}

function find<Entry extends { readonly name: string }>(
  configs: readonly Said<Kubeconfig>[],
  listOf: (config: Kubeconfig) => readonly Entry[] | null | undefined,
  name: string | null | undefined,
): Said<Entry> | undefined {
  for (const { value, file } of configs) {
    const entry = listOf(value)?.find((one) => one.name === name);
    if (entry !== undefined) return { value: entry, file };
  }
  return undefined;
}

function onlyName(entries: readonly { readonly name: string }[]): string | undefined {
  return entries.length === 1 ? entries[0]?.name : undefined;
}

function readUrl(words: string, protocols: readonly string[], place: string): URL {
  const url = URL.canParse(words) ? new URL(words) : undefined;
  if (url !== undefined && protocols.includes(url.protocol)) return url;
  const seen = url === undefined ? 'it is not a URL' : `${url.protocol.slice(0, -1)} is not supported`;
  throw new Error(`Cannot use ${place}: ${seen}; write ${protocols.map((one) => `${one}//HOST:PORT`).join(' or ')}`);
}

/** Inline data take precedence over files, as in client-go. */
function readMaterial(
  { data, path }: { readonly data: string | null | undefined; readonly path: string | null | undefined },
  file: string,
  origin: string,
): Material | undefined {
  if (data) return { kind: 'data', text: Buffer.from(data, 'base64').toString('utf8'), origin };
  if (path) return { kind: 'file', path: isAbsolute(path) ? path : join(dirname(file), path) };
  return undefined;
}

function readIdentity(words: UserWords, file: string, place: string): Identity {
  if (words['auth-provider']) {
    throw new Error(`Cannot use ${place}: auth-provider was removed from Kubernetes 1.26; use an exec plugin`);
  }
  const certificate = readMaterial(
    { data: words['client-certificate-data'], path: words['client-certificate'] },
    file,
    `client-certificate-data of ${place}`,
  );
  const key = readMaterial(
    { data: words['client-key-data'], path: words['client-key'] },
    file,
    `client-key-data of ${place}`,
  );
  if ((certificate === undefined) !== (key === undefined)) {
    throw new Error(
      `Cannot use ${place}: it has a client ${key ? 'key' : 'certificate'} without its ${key ? 'certificate' : 'key'}`,
    );
  }
  // A token file takes precedence over an inline token, which dates from when the kubeconfig was written.
  const token: Material | undefined = words.tokenFile
    ? readMaterial({ data: undefined, path: words.tokenFile }, file, '')
    : words.token
      ? { kind: 'data', text: words.token, origin: `token of ${place}` }
      : undefined;
  const impersonation = readImpersonation(words);
  return {
    ...(certificate && key && { certificate: { certificate, key } }),
    ...(token && { token }),
    ...(words.username && { basic: { username: words.username, password: words.password ?? '' } }),
    ...(words.exec && { exec: readExec(words.exec, file, place) }),
    ...(Object.keys(impersonation).length > 0 && { impersonation }),
  };
}

function readImpersonation(words: UserWords): Readonly<Record<string, string | readonly string[]>> {
  const extra = Object.entries(words['as-user-extra'] ?? {}).map(
    ([key, values]) => [`Impersonate-Extra-${encodeURIComponent(key)}`, values] as const,
  );
  return {
    ...(words.as && { 'Impersonate-User': words.as }),
    ...(words['as-uid'] && { 'Impersonate-Uid': words['as-uid'] }),
    ...(words['as-groups']?.length && { 'Impersonate-Group': words['as-groups'] }),
    ...Object.fromEntries(extra),
  };
}

function readExec(words: z.output<typeof execSchema>, file: string, place: string): ExecPlugin {
  if (!/^client\.authentication\.k8s\.io\/v1(beta1)?$/.test(words.apiVersion)) {
    throw new Error(`Cannot use exec of ${place}: apiVersion must be client.authentication.k8s.io/v1 or v1beta1`);
  }
  if (words.interactiveMode === 'Always') {
    throw new Error(
      `Cannot use exec of ${place}: interactiveMode Always requires a terminal, which a daemon does not have`,
    );
  }
  const isRelative = words.command.includes('/') && !isAbsolute(words.command);
  return {
    apiVersion: words.apiVersion,
    command: isRelative ? join(dirname(file), words.command) : words.command,
    args: words.args ?? [],
    environment: Object.fromEntries((words.env ?? []).map(({ name, value }) => [name, value])),
    needsCluster: words.provideClusterInfo === true,
    installHint: words.installHint ?? undefined,
  };
}
