import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync } from 'node:fs';
import { after, before, beforeEach, describe, it } from 'mocha';
import type { PluginParts } from '../../src/cni/context.ts';
import { type Outcome, runPlugin } from '../../src/cni/main.ts';
import { enterNetworkNamespace } from '../../src/kernel/linux/libc/calls.ts';
import { nodeLogPolicy } from '../../src/kernel/linux/log/log-policy.ts';
import { openLogSink } from '../../src/kernel/linux/log/log-sink.ts';
import { identifyNamespace } from '../../src/kernel/linux/namespace.ts';
import { listNodeLinks, openLinuxKernel } from '../../src/kernel/linux/parts.ts';
import { FileStateStore } from '../../src/kernel/linux/state-store.ts';
import { type Kernel, KernelError } from '../../src/kernel/port.ts';
import type { Operation } from '../../src/model/operation.ts';
import { SmallWorld } from './world.ts';

/** A kernel whose n-th operation fails, before it does anything; the undos after it go through. */
function failAt(kernel: Kernel, step: number, seen: Operation[]): Kernel {
  const apply = (operation: Operation): void => {
    seen.push(operation);
    if (seen.length === step) throw new KernelError('refused', `Cannot ${operation.do}: the test says so`);
    kernel.apply(operation);
  };
  return new Proxy(kernel, {
    get: (target, key) => {
      if (key === 'apply') return apply;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const world = new SmallWorld('erfault');
const states = `${world.folder}/states`;
const configuration = {
  cniVersion: '1.1.0',
  name: 'faults',
  type: 'egress-router',
  interfaceArgs: { master: 'eth1' },
  ip: {
    addresses: ['192.168.12.99/24', '2001:db8:12::99/64'],
    gateway: ['192.168.12.1', '2001:db8:12::1'],
    destinations: ['8080 TCP 203.0.113.26 80', '8443 TCP 2001:db8:203::26 443', '80 UDP 10.0.0.99'],
    fallbackIP: '203.0.113.30',
  },
  clusterNetworks: ['172.30.0.0/16'],
  log_file: `${world.folder}/log`,
};

function call(verb: 'ADD' | 'DEL', backend: string, step: number, seen: Operation[]): Outcome {
  const store = new FileStateStore(states);
  const parts: PluginParts = {
    store,
    openKernel: (path, choice) => failAt(openLinuxKernel(path, choice, store), step, seen),
    identifyNamespace,
    checkBackend: () => {},
    listNodeLinks,
    openLog: (file) => openLogSink(file, { ...nodeLogPolicy, ownFolder: world.folder }),
  };
  const environment = {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: 'erfault-1',
    CNI_NETNS: world.netns,
    CNI_IFNAME: 'net1',
  };
  const readInput = (): string => JSON.stringify({ ...configuration, ruleBackend: backend });
  return fromNode(() => runPlugin({ environment, readInput, programVersion: '0.0.0' }, parts));
}

/** Runs something as the container runtime would: in the node's network namespace. */
function fromNode<T>(run: () => T): T {
  const home = openSync('/proc/self/ns/net', 'r');
  const node = openSync(`/var/run/netns/${world.node}`, 'r');
  enterNetworkNamespace(node);
  try {
    return run();
  } finally {
    enterNetworkNamespace(home);
    closeSync(home);
    closeSync(node);
  }
}

function storedStates(): string[] {
  try {
    return readdirSync(states);
  } catch {
    return [];
  }
}

for (const backend of ['iptables', 'nftables']) {
  describe(`an ADD that fails half-way, rules by ${backend}`, () => {
    before(() => world.make());
    after(() => world.drop());
    // iptables keeps its empty tables, which would show as a difference of the first run only.
    beforeEach(() => {
      assert.equal(call('ADD', backend, 0, []).exitCode, 0);
      assert.equal(call('DEL', backend, 0, []).exitCode, 0);
    });

    it('leaves the namespace as it was, whichever step fails', function () {
      this.timeout(120_000);
      const untouched = world.describePod();
      const whole: Operation[] = [];
      assert.equal(call('ADD', backend, 0, whole).exitCode, 0);
      assert.equal(call('DEL', backend, 0, []).exitCode, 0);
      assert.ok(whole.length > 30, `an ADD of both families has more than 30 steps, not ${whole.length}`);
      for (const [index, { do: name }] of whole.entries()) {
        const outcome = call('ADD', backend, index + 1, []);
        const step = `step ${index + 1}, ${name}`;
        assert.equal(outcome.exitCode, 1, step);
        const error = JSON.parse(outcome.stdout) as { code: number; msg: string };
        assert.equal(error.code, 101, step);
        assert.equal(error.msg, `Cannot ${name}: the test says so`, step);
        assert.equal(world.describePod(), untouched, step);
        assert.deepEqual(storedStates(), [], step);
      }
    });
  });

  describe(`a DEL that fails half-way, rules by ${backend}`, () => {
    before(() => world.make());
    after(() => world.drop());

    it('is finished by the next one, whichever step failed', function () {
      this.timeout(120_000);
      assert.equal(call('ADD', backend, 0, []).exitCode, 0);
      assert.equal(call('DEL', backend, 0, []).exitCode, 0);
      const untouched = world.describePod();
      assert.equal(call('ADD', backend, 0, []).exitCode, 0);
      const whole: Operation[] = [];
      assert.equal(call('DEL', backend, 0, whole).exitCode, 0);
      for (const [index, { do: name }] of whole.entries()) {
        const step = `step ${index + 1}, ${name}`;
        assert.equal(call('ADD', backend, 0, []).exitCode, 0, step);
        assert.equal(call('DEL', backend, index + 1, []).exitCode, 1, step);
        assert.equal(call('DEL', backend, 0, []).exitCode, 0, step);
        assert.equal(world.describePod(), untouched, step);
        assert.deepEqual(storedStates(), [], step);
      }
    });
  });
}
