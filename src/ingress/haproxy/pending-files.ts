import { changedKeys } from '../../base/model/layered-map.ts';
import { type Command, certificateFile } from './command.ts';
import { type Content, mapFile, renderCertificateLists, renderMap, renderShards } from './files.ts';
import type { InForce } from './layout.ts';
import type { MapName, Maps } from './maps.ts';
import { rememberMain, rememberShards } from './memory.ts';
import { backendLists, listIdOf, listsOf, networksMap, renderNetworksFile } from './networks.ts';
import { shardOf } from './shards.ts';

/** Returns the files that differ after commands; undefined marks files to delete. */
export function changedFiles(
  before: InForce,
  after: InForce,
  maps: Maps,
  commands: readonly Command[],
): Map<string, Content | undefined> {
  const files = new Map<string, Content | undefined>(rememberMain(after));
  const touched = new Set<MapName>();
  for (const command of commands) {
    switch (command.kind) {
      case 'add-entry':
      case 'set-entry':
      case 'delete-entry':
        touched.add(command.map);
        break;
      case 'load-certificate':
      case 'load-authority':
        files.set(command.file, command.pem);
        break;
      case 'forget-certificate':
        files.set(command.file, undefined);
        break;
      default:
        break;
    }
  }
  for (const name of touched) files.set(mapFile(name), () => renderMap(maps, name));
  if (haveListsChanged(before, after)) {
    const lists = listsOf(after.state.backends.values());
    files.set(networksMap, () => renderNetworksFile(lists));
  }
  // The file of a certificate that was removed and added again exists.
  for (const [name, { pem }] of after.state.certificates) {
    const path = certificateFile(name);
    if (files.has(path) && files.get(path) === undefined) files.set(path, pem);
  }
  if (before.state.certificates !== after.state.certificates) {
    for (const [path, content] of renderCertificateLists(after)) files.set(path, content);
  }
  const sections = changedSections(before, after);
  for (const [path, content] of renderShards(after, sections)) files.set(path, content);
  for (const host of changedKeys(before.state.sites, after.state.sites)) sections.add(shardOf(host));
  for (const host of changedKeys(before.state.passthrough, after.state.passthrough)) sections.add(shardOf(host));
  for (const key of changedKeys(before.state.gateways.hosts, after.state.gateways.hosts)) sections.add(shardOf(key));
  for (const [path, content] of rememberShards(after, sections)) files.set(path, content);
  return files;
}

function haveListsChanged({ state: old }: InForce, { state: now }: InForce): boolean {
  for (const id of changedKeys(old.backends, now.backends)) {
    const ids = [old, now].map(({ backends }) => {
      const backend = backends.get(id);
      return backend === undefined ? '' : backendLists(backend).map(listIdOf).join(' ');
    });
    if (ids[0] !== ids[1]) return true;
  }
  return false;
}

/** Returns the shards of the sections whose content differs. */
function changedSections(before: InForce, after: InForce): Set<number> {
  const shards = new Set<number>();
  const add = (section: string | undefined): void => {
    if (section !== undefined) shards.add(shardOf(section));
  };
  const ids = changedKeys(before.state.backends, after.state.backends);
  for (const id of changedKeys(before.layout.sections, after.layout.sections)) ids.add(id);
  for (const id of ids) {
    add(before.layout.sections.get(id));
    add(after.layout.sections.get(id));
  }
  return shards;
}
