import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { extractPluginWords } from '../../../../../src/egress/controller/status/plugin-words.ts';

const sandbox = '5f0c6a1b2d3e4f5061728394a5b6c7d8e9f00112233445566778899aabbccddee';
const ours = 'Invalid network configuration: interfaceArgs.master "eth7": the node has no such interface';

describe('extractPluginWords', () => {
  const cases: readonly (readonly [name: string, message: string, words: string])[] = [
    [
      'containerd and Multus as an executable',
      `Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "${sandbox}": plugin type="multus" name="multus-cni-network" failed (add): [shop/egress-router-cni-deployment-7/uid:egress-router-cni-nad]: error adding container to network "egress-router-cni-nad": plugin type="egress-router" failed (add): ${ours}`,
      ours,
    ],
    [
      'Multus’s daemon',
      `Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "${sandbox}": plugin type="multus-shim" name="multus-cni-network" failed (add): CmdAdd (shim): CNI request failed with status 400: 'ContainerID:"${sandbox}" Netns:"/var/run/netns/cni-1" IfName:"eth0" Args:"K8S_POD_NAME=web" Path:"" ERRORED: error configuring pod [shop/web] networking: [shop/web/uid:egress-router-cni-nad]: error adding container to network "egress-router-cni-nad": ${ours}\n': StdinData: {"cniVersion":"0.3.1"}`,
      ours,
    ],
    ['another plugin', `Failed to create pod sandbox: rpc error: code = Unknown desc = no IP left`, 'no IP left'],
    [
      'the readiness probe',
      'Readiness probe failed: net1 is down\nthe gateway does not answer\n',
      'net1 is down; the gateway does not answer',
    ],
    ['the scheduler', '0/3 nodes are available', '0/3 nodes are available'],
    ['what turns the direction of writing', 'Readiness probe failed: a\u202eb', 'a\\u202eb'],
  ];
  for (const [name, message, words] of cases) {
    it(`keeps the useful part of ${name}`, () => {
      assert.equal(extractPluginWords(message), words);
    });
  }
});
