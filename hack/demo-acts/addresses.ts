import { AddressLab, type NodeName, nodeNames, ports, virtualAddress } from '../../test/lab/address-lab.ts';
import { AddressWatch, outageOf } from '../../test/lab/address-watch.ts';
import type { Stage } from './stage.ts';

const picture = `
                    ┌── node a   192.0.2.10       one node holds each address;
  client ── switch ─┼── node b   2001:db8:a::10   the third one is passive
                    └── node c
`;

const pair = [virtualAddress(10, 4), virtualAddress(10, 6)] as const;
/** Connections to a program of the node, and through its kernel to an endpoint, for each address. */
const connections = 100;

/** Fourth act: virtual addresses that move under load, by plan and because a node dies. */
export async function playAddresses(stage: Stage): Promise<void> {
  stage.act('Virtual addresses move between ingress nodes');
  stage.show(picture);
  const lab = new AddressLab();
  try {
    await lab.up();
    await lab.start(pair);
    const watch = new AddressWatch(lab, pair);
    const holders = await watch.settle(60_000);
    stage.step('Two addresses, three nodes: active, active, passive');
    for (const [address, node] of holders) stage.show(`${address} is at node ${node}`);
    stage.claim('nodes that hold an address', `${new Set(holders.values()).size}`, '2');
    await playDrain(stage, lab, holders);
    await playDeath(stage, lab);
  } finally {
    lab.down();
  }
}

async function playDrain(stage: Stage, lab: AddressLab, holders: ReadonlyMap<string, NodeName>): Promise<void> {
  const [address] = pair;
  stage.step(`The nodes with ${connections * pair.length * 2} open connections are drained under load`);
  for (const host of pair) {
    for (const port of [ports.local, ports.forwarded]) {
      await lab.tell('client', { do: 'hold', name: `${host} ${port}`, host, port, count: connections });
    }
  }
  await lab.tell('client', { do: 'hammer', host: address, port: ports.local });
  const old = holders.get(address) as NodeName;
  const rest = nodeNames.filter((node) => ![...holders.values()].includes(node));
  for (const node of holders.values()) lab.change(node, { drain: true });
  for (const host of pair) await lab.holder(host, (node) => rest.includes(node));
  for (const host of pair) {
    for (const port of [ports.local, ports.forwarded]) {
      const { nodes = {} } = await lab.tell('client', { do: 'check', name: `${host} ${port}`, timeout: 10_000 });
      const program = port === ports.local ? holders.get(host) : 'endpoint';
      const text = `connections to ${host} port ${port} that still reach ${program}`;
      stage.claim(text, `${nodes[program ?? ''] ?? 0} of ${connections}`, `${connections} of ${connections}`);
    }
  }
  const { nodes = {} } = await lab.tell('client', { do: 'relax' });
  const { [`${old} hello`]: before = 0, [`${rest[0]} hello`]: after = 0, ...others } = nodes;
  const seen = `${before} by node ${old}, ${after} by node ${rest[0]}, failed ${JSON.stringify(others)}`;
  stage.claim('new connections meanwhile', seen, /^[1-9]\d* by .* [1-9]\d* by .* {}$/);
  for (const node of holders.values()) lab.change(node, { drain: false });
}

async function playDeath(stage: Stage, lab: AddressLab): Promise<void> {
  const [address] = pair;
  stage.step(`The node with ${address} dies; a client asks every 10 ms`);
  const dead = await lab.holder(address);
  const before = await lab.answering(address, (node) => node === dead);
  await lab.kill(dead);
  const spans = [...before, ...(await lab.answering(address, (node) => node !== dead))];
  const { from, to } = outageOf(spans, dead);
  const next = spans.at(-1)?.node ?? '';
  const living = new RegExp(`^[${nodeNames.filter((node) => node !== dead).join('')}]$`);
  stage.claim(`${to - from} ms after the last answer of node ${dead}, the answering node`, next, living);
  const { text } = await lab.tell('client', { do: 'reach', host: address, port: ports.local, timeout: 5000 });
  stage.claim('client → tcp 80', `${text}`, `${next} hello`);
}
