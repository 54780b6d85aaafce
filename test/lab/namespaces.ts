import { execa, execaSync } from 'execa';

/** Names of all network namespaces of this machine that `ip netns` knows. */
function listNamespaces(): string[] {
  const { stdout } = execaSync('ip', ['netns', 'list']);
  return stdout
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter((name) => name !== '');
}

/** Ends every process in the namespaces and removes them; those that do not exist are no error. */
export function dropNamespaces(names: readonly string[]): void {
  const present = new Set(listNamespaces());
  const doomed = names.filter((name) => present.has(name));
  if (doomed.length === 0) return;
  for (const name of doomed) {
    const { stdout } = execaSync('ip', ['netns', 'pids', name], { reject: false });
    for (const pid of stdout.split('\n').filter((line) => line !== '')) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It ended by itself.
      }
    }
  }
  execaSync('ip', ['-batch', '-'], { input: doomed.map((name) => `netns delete ${name}\n`).join('') });
}

/** Runs `ip` commands in a namespace. Throws where one fails. */
export async function runIp(netns: string, commands: readonly string[]): Promise<void> {
  await execa('ip', ['-n', netns, '-batch', '-'], { input: `${commands.join('\n')}\n` });
}

/** Runs a program in a namespace and returns what it printed. Throws where it fails. */
export async function runIn(netns: string, program: string, args: readonly string[], input = ''): Promise<string> {
  const { stdout } = await execa('ip', ['netns', 'exec', netns, program, ...args], { input });
  return stdout;
}

/** Makes namespaces. Throws where one exists already. */
export async function addNamespaces(names: readonly string[]): Promise<void> {
  await execa('ip', ['-batch', '-'], { input: names.map((name) => `netns add ${name}\n`).join('') });
}
