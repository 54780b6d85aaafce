import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { after, before, describe, it } from 'mocha';
import { NftTables } from '../../../../src/base/linux/netlink/nft-tables.ts';
import { type Address, type Family, parseAddress } from '../../../../src/base/model/address.ts';
import { type NamedRedirect, protocols, type Redirect } from '../../../../src/base/model/redirect.ts';
import type { RuleProgram } from '../../../../src/base/model/rules.ts';
import { tableName } from '../../../../src/base/rules/nftables/render.ts';
import type { RuleBackend } from '../../../../src/base/rules/transaction.ts';
import { changeRules, listRules } from '../../../../src/egress/linux/rule-listing.ts';
import { compileEgress, type EgressRules } from '../../../../src/egress/plan/rules.ts';
import { type FirstPacket, type Trace, traceEgress } from '../../../../src/egress/plan/trace.ts';
import { openingFrame, type Packet, type Seen } from '../../base/linux/frames.ts';
import { inNamespace } from '../../base/linux/wire.ts';
import { WirePair } from '../../base/linux/wire-pair.ts';

const prefix = 'eragree';
const podAddresses = { 4: address('10.128.10.18'), 6: address('fd00::18') } as const;
const clientAddresses = { 4: address('10.128.10.30'), 6: address('fd00::30') } as const;
const strangers = { 4: address('198.51.100.7'), 6: address('2001:db8:7::7') } as const;

function address(text: string): Address {
  const parsed = parseAddress(text);
  assert.ok(parsed, text);
  return parsed;
}

const targets = fc.oneof(
  fc.integer({ min: 1, max: 250 }).map((last) => address(`203.0.113.${last}`)),
  fc.integer({ min: 1, max: 250 }).map((last) => address(`2001:db8:203::${last.toString(16)}`)),
);
// Ports near each other meet in one chain of the tree, ports far apart do not.
const ports = fc.oneof(fc.integer({ min: 1, max: 65535 }), fc.integer({ min: 8000, max: 8100 }));
const redirects = fc.uniqueArray(
  fc.record(
    { protocol: fc.constantFrom(...protocols), port: ports, target: targets, targetPort: ports },
    { requiredKeys: ['protocol', 'port', 'target'] },
  ),
  { maxLength: 120, selector: (one: Redirect) => `${one.protocol} ${one.port} ${one.target.family}` },
) as fc.Arbitrary<Redirect[]>;

const sharedTargets = fc.uniqueArray(targets, { maxLength: 7, selector: ({ text }) => text });
const names = fc.uniqueArray(
  fc.record(
    {
      protocol: fc.constantFrom(...protocols),
      port: ports,
      name: fc.domain(),
      targets: sharedTargets,
      targetPort: ports,
    },
    { requiredKeys: ['protocol', 'port', 'name', 'targets'] },
  ),
  { maxLength: 30, selector: (one: NamedRedirect) => `${one.protocol} ${one.port}` },
) as fc.Arbitrary<NamedRedirect[]>;

const ruleSets: fc.Arbitrary<EgressRules> = fc
  .record({
    redirects,
    names,
    fallbackTargets: fc.option(sharedTargets, { nil: undefined, freq: 3 }),
    sharing: fc.constantFrom('roundrobin' as const, 'source' as const),
    fallback4: fc.option(fc.constant(address('203.0.113.251')), { nil: undefined, freq: 3 }),
    fallback6: fc.option(fc.constant(address('2001:db8:203::fb')), { nil: undefined, freq: 3 }),
    slot: fc.integer({ min: 1, max: 15 }),
  })
  .map((one) => ({
    owner: prefix,
    egressLink: 'net1',
    podLinks: { 4: 'eth0', 6: 'eth0' },
    reserved: [address('192.168.12.99'), address('2001:db8:12::99')],
    redirects: {
      redirects: one.redirects,
      named: one.names.filter(({ protocol, port }) => {
        return !one.redirects.some((other) => other.protocol === protocol && other.port === port);
      }),
      fallbacks:
        one.fallbackTargets !== undefined ? [] : [one.fallback4, one.fallback6].filter((each) => each !== undefined),
      ...(one.fallbackTargets !== undefined && {
        fallbackName: { name: 'rest.example', targets: one.fallbackTargets },
      }),
      sharing: one.sharing,
    },
    slot: one.slot,
  }));

const familySets = fc.constantFrom<Family[]>([4], [6], [4, 6]);

/** Which packets to try: some that a redirect takes, some that none does, some for strangers. */
interface Probe {
  readonly protocol: FirstPacket['protocol'];
  readonly family: 4 | 6;
  readonly pick: number;
  readonly other: number;
  readonly hit: boolean;
  readonly stranger: boolean;
}

const silentProbe: Probe = { protocol: 'tcp', family: 4, pick: 0, other: 1, hit: false, stranger: false };

const probes: fc.Arbitrary<Probe[]> = fc.array(
  fc.record({
    protocol: fc.constantFrom(...protocols),
    family: fc.constantFrom(4 as const, 6 as const),
    pick: fc.nat(1000),
    other: ports,
    hit: fc.boolean(),
    stranger: fc.boolean().map((one) => one),
  }),
  { minLength: 12, maxLength: 12 },
);

/** Every program that installs rules on Debian, and our own. */
const variants = [
  { name: 'iptables-nft', backend: 'iptables' },
  { name: 'iptables-legacy', backend: 'iptables' },
  { name: 'nftables', backend: 'nftables' },
  { name: 'nftables', backend: 'nftables', isOverNetlink: true },
] as const;

interface Variant {
  readonly backend: RuleBackend;
  readonly isOverNetlink?: true;
}

const folder = mkdtempSync(join(tmpdir(), `${prefix}-`));
const path = process.env.PATH ?? '';

/** Makes the plain names of iptables mean one variant, for this process alone. */
function useVariant(name: (typeof variants)[number]['name']): void {
  const programs = join(folder, name);
  if (name !== 'nftables' && !existsSync(programs)) {
    mkdirSync(programs);
    const multi = name === 'iptables-nft' ? '/usr/sbin/xtables-nft-multi' : '/usr/sbin/xtables-legacy-multi';
    for (const family of ['iptables', 'ip6tables']) {
      for (const verb of ['save', 'restore']) symlinkSync(multi, join(programs, `${family}-${verb}`));
    }
  }
  process.env.PATH = `${programs}:${path}`;
}

let sourcePort = 20000;

function makePacket(probe: Probe, rules: EgressRules): Packet {
  const list = [...rules.redirects.redirects, ...(rules.redirects.named ?? [])];
  const redirect = probe.hit ? list[probe.pick % Math.max(1, list.length)] : undefined;
  const family = redirect !== undefined && 'target' in redirect ? redirect.target.family : probe.family;
  sourcePort = sourcePort === 60000 ? 20000 : sourcePort + 1;
  return {
    source: clientAddresses[family],
    destination: probe.stranger && redirect === undefined ? strangers[family] : podAddresses[family],
    protocol: redirect?.protocol ?? probe.protocol,
    sourcePort,
    port: redirect?.port ?? probe.other,
  };
}

/** What the wires show of a packet, in the words of the model. */
function observe({ inside, beyond, mac }: WirePair, packet: Packet, expected: Trace): string {
  inside.send(openingFrame(packet, mac.client, mac.podInside));
  const refusal = (seen: Seen): boolean => seen.kind === 'reset' || seen.kind === 'unreachable';
  if (expected.kind === 'redirected') {
    const seen = beyond.receive((one) => one.kind === 'packet');
    if (seen?.kind !== 'packet') return 'silence outside';
    const isShared = expected.targets?.some(({ text }) => text === seen.destination.text) === true;
    const destination = isShared ? expected.target : seen.destination;
    return `${seen.source.text} > ${destination.text} ${seen.port}`;
  }
  const seen = inside.receive(refusal);
  return seen === undefined ? 'silence inside' : seen.kind;
}

function describeTrace(trace: Trace, packet: Packet): string {
  switch (trace.kind) {
    case 'redirected':
      return `${trace.source.text} > ${trace.target.text} ${trace.port}`;
    case 'refused':
      return trace.with === 'tcp-reset' ? 'reset' : 'unreachable';
    case 'unresolved':
    case 'delivered':
      return packet.protocol === 'tcp' ? 'reset' : 'unreachable';
    case 'dropped':
      return 'silence inside';
  }
}

describe('model, iptables and nftables', () => {
  let world: WirePair;
  before(() => {
    world = new WirePair(prefix);
  });
  after(() => {
    world?.drop();
    process.env.PATH = path;
    rmSync(folder, { recursive: true, force: true });
  });

  it('send every connection to the same destination', function () {
    this.timeout(300_000);
    fc.assert(
      fc.property(ruleSets, probes, (rules, tries) => {
        const program = compileEgress(rules);
        for (const variant of variants) {
          const { name } = variant;
          useVariant(name);
          withRules(world, variant, program, () => {
            for (const probe of tries) {
              const packet = makePacket(probe, rules);
              const local = packet.destination.text === podAddresses[packet.destination.family].text;
              const trace = traceEgress(rules, { ...packet, incoming: 'eth0', local });
              assert.equal(
                observe(world, packet, trace),
                describeTrace(trace, packet),
                `${name}: ${packet.protocol} ${packet.destination.text} ${packet.port}`,
              );
            }
          });
        }
      }),
      { numRuns: 15 },
    );
  });

  it('reach the same rules by an update as from scratch', function () {
    this.timeout(300_000);
    fc.assert(
      fc.property(ruleSets, ruleSets, probes, (first, second, tries) => {
        for (const variant of variants) {
          const { name } = variant;
          useVariant(name);
          const before = compileEgress(first);
          const after = compileEgress(second);
          change(world, variant, undefined, before);
          change(world, variant, before, after);
          try {
            for (const probe of tries.slice(0, 4)) {
              const packet = makePacket(probe, second);
              const local = packet.destination.text === podAddresses[packet.destination.family].text;
              const trace = traceEgress(second, { ...packet, incoming: 'eth0', local });
              assert.equal(observe(world, packet, trace), describeTrace(trace, packet), name);
            }
          } finally {
            change(world, variant, after, undefined);
          }
        }
      }),
      { numRuns: 15 },
    );
  });

  it('share connections of a name among all its addresses, in turn or by the client', function () {
    this.timeout(120_000);
    const shared = Array.from({ length: 6 }, (_, index) => address(`203.0.113.${index + 1}`));
    for (const variant of variants.slice(0, 3)) {
      useVariant(variant.name);
      for (const sharing of ['roundrobin', 'source'] as const) {
        const named = [{ protocol: 'tcp', port: 8443, targetPort: 443, name: 'a.example', targets: shared }] as const;
        const rules: EgressRules = {
          owner: prefix,
          egressLink: 'net1',
          podLinks: { 4: 'eth0' },
          reserved: [address('192.168.12.99')],
          redirects: { redirects: [], fallbacks: [], named, sharing },
          slot: 1,
        };
        withRules(world, variant, compileEgress(rules), () => {
          const seen = (source: Address): string => {
            sourcePort++;
            const packet = { ...makePacket(silentProbe, rules), source, port: 8443, sourcePort };
            const trace = traceEgress(rules, { ...packet, incoming: 'eth0', local: true });
            world.inside.send(openingFrame(packet, world.mac.client, world.mac.podInside));
            const one = world.beyond.receive(({ kind }) => kind === 'packet');
            assert.ok(one?.kind === 'packet' && trace.kind === 'redirected', variant.name);
            assert.equal(one.port, 443);
            return one.destination.text;
          };
          if (sharing === 'roundrobin') {
            const counts = new Map<string, number>();
            for (let turn = 0; turn < 24; turn++) {
              const target = seen(clientAddresses[4]);
              counts.set(target, (counts.get(target) ?? 0) + 1);
            }
            assert.deepEqual([...counts.values()], [4, 4, 4, 4, 4, 4], variant.name);
          } else {
            const clients = Array.from({ length: 40 }, (_, index) => address(`10.128.10.${index + 100}`));
            const first = clients.map(seen);
            assert.deepEqual(clients.map(seen), first, variant.name);
            assert.deepEqual(
              [...new Set(first)].sort(),
              shared.map(({ text }) => text),
              variant.name,
            );
          }
        });
      }
    }
  });

  it('send a connection to an address of its name while a transaction replaces the rule and its map', () => {
    useVariant('nftables');
    const shared = ['203.0.113.1', '203.0.113.2', '203.0.113.3'].map(address);
    const named = [{ protocol: 'tcp', port: 8443, targetPort: 443, name: 'a.example', targets: shared }] as const;
    const variant = variants.find(({ name }) => name === 'nftables');
    assert.ok(variant);
    for (const sharing of ['roundrobin', 'source'] as const) {
      for (const names of [{ named }, { fallbackName: { name: 'rest.example', targets: shared } }]) {
        const rules: EgressRules = {
          owner: prefix,
          egressLink: 'net1',
          podLinks: { 4: 'eth0' },
          reserved: [address('192.168.12.99')],
          redirects: { redirects: [], fallbacks: [], ...names, sharing },
          slot: 1,
        };
        const program = compileEgress(rules);
        withRules(world, variant, program, () => {
          inNamespace(world.pod, () => loseMapElements(program));
          sourcePort++;
          const packet = { ...makePacket(silentProbe, rules), port: 8443, sourcePort };
          world.inside.send(openingFrame(packet, world.mac.client, world.mac.podInside));
          const seen = world.beyond.receive(({ kind }) => kind === 'packet');
          assert.equal(seen?.kind === 'packet' && seen.destination.text, shared[0]?.text, sharing);
        });
      }
    }
  });

  it('list the same rules for the same addresses, however many', () => {
    for (const variant of variants.slice(0, 3)) {
      useVariant(variant.name);
      const program = compileEgress({
        owner: prefix,
        egressLink: 'net1',
        podLinks: { 4: 'eth0', 6: 'eth0' },
        reserved: [address('192.168.12.99'), address('2001:db8:12::99')],
        redirects: {
          redirects: [],
          fallbacks: [],
          named: [
            {
              protocol: 'tcp',
              port: 8443,
              name: 'a.example',
              targets: Array.from({ length: 50 }, (_, index) => [
                address(`203.0.113.${index + 1}`),
                address(`2001:db8:203::${(index + 1).toString(16)}`),
              ]).flat(),
            },
          ],
        },
        slot: 1,
      });
      const listings = [1, 2].map(() => {
        let lines: string[] = [];
        withRules(world, variant, program, () => {
          lines = inNamespace(world.pod, () => listRules(variant.backend, program));
        });
        return lines;
      });
      assert.ok(listings[0]?.some((line) => line.includes('203.0.113.50')));
      assert.deepEqual(listings[0], listings[1], variant.name);
    }
  });

  it('have identical nftables expressions over netlink and from nft', () => {
    const whole = fc.record({
      rules: ruleSets,
      families: familySets,
      podFamilies: familySets,
    });
    fc.assert(
      fc.property(whole, ({ rules, families, podFamilies }) => {
        const { redirects: list, fallbacks } = rules.redirects;
        const program = compileEgress({
          ...rules,
          // Names are left to nft.
          redirects: { redirects: list, fallbacks },
          reserved: rules.reserved.filter(({ family }) => families.includes(family)),
          podLinks: Object.fromEntries(podFamilies.map((family) => [family, 'eth0'])),
        });
        const [byProgram, byUs] = [variants[2], variants[3]].map((variant) => {
          let seen: unknown;
          withRules(world, variant, program, () => {
            seen = inNamespace(world.pod, () => [listRules('nftables', program), listExpressions(program)]);
          });
          return seen;
        });
        assert.deepEqual(byUs, byProgram);
      }),
      { numRuns: 15 },
    );
  });
});

/**
 * Makes every look-up in a map of addresses fail, as between two generations of the rules: the kernel deactivates the
 * elements of a replaced rule's map while packets are still evaluated by that rule.
 */
function loseMapElements({ name }: RuleProgram): void {
  const table = tableName(name);
  const listed = execFileSync('nft', ['-a', '-n', 'list', 'table', ...table.split(' ')], { encoding: 'utf8' });
  let chain = '';
  let count = 0;
  for (const line of listed.split('\n')) {
    chain = /^\tchain (\S+) \{/.exec(line)?.[1] ?? chain;
    const [, rule, modulus, map, handle] =
      /^\t\t(.* mod (\d+)(?: seed \S+)?) (map \{.*\}) # handle (\d+)$/.exec(line) ?? [];
    if (rule === undefined || handle === undefined) continue;
    const input = `replace rule ${table} ${chain} handle ${handle} ${rule} offset ${Number(modulus) + 7} ${map}\n`;
    execFileSync('nft', ['-f', '-'], { input });
    count++;
  }
  assert.equal(count, 1, listed);
}

/** What the kernel has of each rule, as nft's debugging prints it. */
function listExpressions({ name }: RuleProgram): string[] {
  const text = execFileSync('nft', ['--debug=netlink', 'list', 'table', ...tableName(name).split(' ')], {
    encoding: 'utf8',
  });
  const lines = text.split('\n').filter((line) => line.startsWith('  [ '));
  assert.ok(lines.length > 50, text);
  return lines;
}

function change(world: WirePair, variant: Variant, from: RuleProgram | undefined, to: RuleProgram | undefined): void {
  inNamespace(world.pod, () => {
    const tables = variant.isOverNetlink === true ? new NftTables() : undefined;
    try {
      changeRules(variant.backend, from, to, false, tables);
    } finally {
      tables?.close();
    }
  });
}

function withRules(world: WirePair, variant: Variant, program: RuleProgram, run: () => void): void {
  change(world, variant, undefined, program);
  try {
    run();
  } finally {
    change(world, variant, program, undefined);
  }
}
