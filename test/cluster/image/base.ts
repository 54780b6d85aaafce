import { cpSync, existsSync, lstatSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { execaSync } from 'execa';

/** Debian packages that the programs need in an image. */
const packages = ['libc6', 'nftables', 'libnftables1', 'haproxy'];
/** What those packages link with, whatever its package is called in this release of Debian. */
const programs = ['/usr/sbin/nft', '/usr/sbin/haproxy'];

/** Fills a folder with files of Debian's packages, as this machine has them: a base without a network. */
export function makeBase(root: string): void {
  for (const folder of [
    'dev',
    'etc',
    'proc',
    'run',
    'sys',
    'tmp',
    'usr/lib',
    'usr/lib64',
    'usr/bin',
    'usr/sbin',
    'usr/local/bin',
  ]) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  for (const name of ['lib', 'lib64', 'bin', 'sbin']) symlinkSync(`usr/${name}`, join(root, name));
  // As the packages make them when they are installed.
  writeFileSync(
    join(root, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\nhaproxy:x:900:900::/var/lib/haproxy:/usr/sbin/nologin\n',
  );
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nhaproxy:x:900:\n');
  for (const path of listFiles()) {
    const place = join(root, realpathSync(dirname(path)), basename(path));
    if (existsSync(place)) continue;
    mkdirSync(dirname(place), { recursive: true });
    cpSync(path, place, { verbatimSymlinks: true });
  }
}

function listFiles(): ReadonlySet<string> {
  const owned = packages.flatMap((name) => execaSync('dpkg', ['-L', name]).stdout.split('\n'));
  const linked = programs.flatMap((path) => execaSync('ldd', [path]).stdout.match(/\/\S+/g) ?? []);
  const files = new Set<string>();
  for (const path of [...owned, ...linked]) {
    if (/\/(?:doc|man|locale|lintian|gconv|systemd|audit)(?:\/|$)/.test(path) || !existsSync(path)) continue;
    if (lstatSync(path).isDirectory()) continue;
    files.add(path);
    // What a link leads to is in another package at times.
    if (lstatSync(path).isSymbolicLink()) files.add(realpathSync(path));
  }
  return files;
}
