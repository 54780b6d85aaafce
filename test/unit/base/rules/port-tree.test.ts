import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { RedirectEntry } from '../../../../src/base/model/rules.ts';
import { buildPortTree, type PortNode } from '../../../../src/base/rules/port-tree.ts';
import { address } from './examples.ts';

const target: RedirectEntry = { address: address('203.0.113.1'), port: 80 };

function build(ports: readonly number[]): PortNode<RedirectEntry> {
  return buildPortTree(
    'ER-x-T',
    ports.map((port) => [port, target] as const),
  );
}

/** Follows a port down as a packet goes; returns the comparisons it paid and whether it was found. */
function walk(node: PortNode<RedirectEntry>, port: number): { comparisons: number; found: boolean } {
  if (node.kind === 'leaf') {
    const index = node.ports.findIndex(([one]) => one === port);
    return { comparisons: index < 0 ? node.ports.length : index + 1, found: index >= 0 };
  }
  for (const [index, { from, to, node: child }] of node.children.entries()) {
    if (port < from || port > to) continue;
    const below = walk(child, port);
    return { comparisons: index + 1 + below.comparisons, found: below.found };
  }
  return { comparisons: node.children.length, found: false };
}

function names(node: PortNode<RedirectEntry>): string[] {
  return node.kind === 'leaf' ? [node.name] : [node.name, ...node.children.flatMap((child) => names(child.node))];
}

const portSets = fc
  .uniqueArray(fc.integer({ min: 1, max: 65535 }), { maxLength: 400 })
  .map((ports) => ports.sort((one, other) => one - other));

describe('buildPortTree', () => {
  it('finds every port of the tree and no other', () => {
    fc.assert(
      fc.property(portSets, fc.integer({ min: 1, max: 65535 }), (ports, other) => {
        const tree = build(ports);
        for (const port of ports) assert.ok(walk(tree, port).found, `${port}`);
        assert.equal(walk(tree, other).found, ports.includes(other));
      }),
    );
  });

  it('compares a packet at most 64 times, regardless of the number of ports', () => {
    const tree = build(Array.from({ length: 65535 }, (_, index) => index + 1));
    for (const port of [1, 1023, 32768, 65535]) assert.ok(walk(tree, port).comparisons <= 64);
  });

  it('keeps up to sixteen ports in one chain', () => {
    assert.equal(build(Array.from({ length: 16 }, (_, index) => index * 4000 + 1)).kind, 'leaf');
  });

  it('names each chain once, within the length limit of iptables', () => {
    fc.assert(
      fc.property(portSets, (ports) => {
        const all = names(
          buildPortTree(
            'ER-fifteen-letters-T',
            build(ports).kind === 'leaf' ? [] : ports.map((port) => [port, target] as const),
          ),
        );
        assert.equal(new Set(all).size, all.length);
        for (const name of all) assert.ok(name.length <= 28, name);
      }),
    );
  });

  it('changes one chain if one port is added', () => {
    const ports = Array.from({ length: 1000 }, (_, index) => 10_000 + index * 2);
    const before = new Set(names(build(ports)));
    const after = names(build([...ports, 10_001].sort((one, other) => one - other)));
    assert.deepEqual(
      after.filter((name) => !before.has(name)),
      [],
    );
  });
});
