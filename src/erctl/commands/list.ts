import type { Command } from 'commander';
import { identifyNamespace } from '../../base/linux/namespace.ts';
import { describeList } from '../../egress/inspect/list.ts';
import { FileStateStore } from '../../egress/linux/state/state-store.ts';
import type { CommandContext } from '../context.ts';
import { renderJson } from '../json.ts';
import { renderList } from '../screens/list.ts';
import { requireRoot } from '../target.ts';
import { type OutputFormat, withOutput } from './options.ts';

/** `erctl list`: lists every attachment on the node. */
export function addList(program: Command, { console }: CommandContext): void {
  withOutput(program.command('list').description('list every egress router attached on this node'), [
    ['list', 'one line per router'],
    ['list --output json', 'for programs'],
  ]).action(({ output }: { output: OutputFormat }) => {
    requireRoot();
    const store = new FileStateStore();
    const document = describeList(store.list(), store.bootId(), identifyNamespace);
    console.out(output === 'json' ? renderJson(document) : renderList(document, console.screen));
  });
}
