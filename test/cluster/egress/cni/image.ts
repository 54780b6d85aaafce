import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';

/** Makes an image archive that holds nothing but busybox; returns its path. */
export async function makeImage(folder: string, name: string): Promise<string> {
  const root = join(folder, 'image-root');
  const archive = join(folder, 'image');
  mkdirSync(join(root, 'bin'), { recursive: true });
  mkdirSync(archive, { recursive: true });
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  chmodSync(join(root, 'bin/busybox'), 0o755);
  const layer = join(archive, 'layer.tar');
  await execa('tar', ['-C', root, '-cf', layer, '.']);
  const digest = createHash('sha256').update(readFileSync(layer)).digest('hex');
  const config = {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: { Cmd: ['/bin/busybox', 'sleep', '300'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] },
  };
  writeFileSync(join(archive, 'config.json'), JSON.stringify(config));
  writeFileSync(
    join(archive, 'manifest.json'),
    JSON.stringify([{ Config: 'config.json', RepoTags: [name], Layers: ['layer.tar'] }]),
  );
  const path = join(folder, 'image.tar');
  await execa('tar', ['-C', archive, '-cf', path, 'manifest.json', 'config.json', 'layer.tar']);
  return path;
}
