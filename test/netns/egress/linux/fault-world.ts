import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync } from 'node:fs';
import { KernelError } from '../../../../src/base/linux/kernel-error.ts';
import { enterNetworkNamespace } from '../../../../src/base/linux/libc/calls.ts';
import { identifyNamespace } from '../../../../src/base/linux/namespace.ts';
import type { PluginParts } from '../../../../src/egress/cni/context.ts';
import { type Outcome, runPlugin } from '../../../../src/egress/cni/main.ts';
import type { Kernel } from '../../../../src/egress/linux/kernel-api.ts';
import { nodeLogPolicy } from '../../../../src/egress/linux/log/log-policy.ts';
import { openLogSink } from '../../../../src/egress/linux/log/log-sink.ts';
import { openLinuxKernel, readNodeLinks } from '../../../../src/egress/linux/parts.ts';
import { FileStateStore } from '../../../../src/egress/linux/state/state-store.ts';
import type { Operation } from '../../../../src/egress/model/operation.ts';
import { SmallWorld } from './world.ts';

/** How a call is disturbed at its n-th operation. */
export type Fault = 'refused' | 'killed';

/**
 * A kernel whose n-th operation fails, before it does anything. Refused, the undos after it go through;
 * killed, nothing does any more, as when the process is gone.
 */
function disturb(kernel: Kernel, step: number, seen: Operation[], fault: Fault): Kernel {
  const apply = (operation: Operation): readonly string[] => {
    seen.push(operation);
    if (seen.length === step || (fault === 'killed' && step > 0 && seen.length > step)) {
      throw new KernelError('refused', `Cannot ${operation.do}: fault of the test`);
    }
    return kernel.apply(operation);
  };
  return new Proxy(kernel, {
    get: (target, key) => {
      if (key === 'apply') return apply;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Operations that do not depend on the backend, by verb, as the backend that ran first had them. */
const common = new Map<string, readonly string[]>();

/**
 * Returns the steps to disturb, from 1. Only operations on rules depend on the backend. Of the others, each backend gets
 * every second one, because a disturbed call takes a quarter of a second; that they are the same is checked.
 */
export function stepsToDisturb(
  verb: 'ADD' | 'DEL',
  operations: readonly Operation[],
  backend: 'iptables' | 'nftables',
): readonly { readonly step: number; readonly name: string }[] {
  const steps = operations.map(({ do: name }, index) => ({ step: index + 1, name }));
  const isOfBackend = ({ name }: { readonly name: string }): boolean => /rules|guard|state/.test(name);
  const others = steps.filter((one) => !isOfBackend(one));
  const names = others.map(({ name }) => name);
  assert.deepEqual(names, common.get(verb) ?? names);
  common.set(verb, names);
  const half = new Set(others.filter((_, index) => index % 2 === (backend === 'iptables' ? 0 : 1)));
  return steps.filter((one) => isOfBackend(one) || half.has(one));
}

/** A node and a pod, and the plugin's own code run on them in this process. */
export class FaultWorld {
  readonly world: SmallWorld;
  readonly #states: string;

  /** `prefix`: a unique prefix of at most 8 letters. */
  constructor(prefix: string) {
    this.world = new SmallWorld(prefix);
    this.#states = `${this.world.folder}/states`;
  }

  /** Runs a verb, disturbed at a step; 0: not at all. `seen` takes the operations. */
  call(verb: 'ADD' | 'DEL', backend: string, step: number, seen: Operation[], fault: Fault = 'refused'): Outcome {
    const { world } = this;
    const store = new FileStateStore(this.#states, { tidies: true });
    const parts: PluginParts = {
      store,
      openKernel: (path, choice) => disturb(openLinuxKernel(path, choice, store), step, seen, fault),
      identifyNamespace,
      checkBackend: () => {},
      askNames: () => 'absent',
      readNodeLinks,
      openLog: (file) => openLogSink(file, { ...nodeLogPolicy, ownFolder: world.folder }),
    };
    const environment = {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: `${world.pod}-1`,
      CNI_NETNS: world.netns,
      CNI_IFNAME: 'net1',
    };
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
      ruleBackend: backend,
    };
    const readInput = (): string => JSON.stringify(configuration);
    return this.#fromNode(() => runPlugin({ environment, readInput, programVersion: '0.0.0' }, parts));
  }

  /** Names of the files of states. */
  storedStates(): string[] {
    try {
      return readdirSync(this.#states);
    } catch {
      return [];
    }
  }

  /** Runs something as the container runtime would: in the node's network namespace. */
  #fromNode<T>(run: () => T): T {
    const home = openSync('/proc/self/ns/net', 'r');
    const node = openSync(`/var/run/netns/${this.world.node}`, 'r');
    enterNetworkNamespace(node);
    try {
      return run();
    } finally {
      enterNetworkNamespace(home);
      closeSync(home);
      closeSync(node);
    }
  }
}
